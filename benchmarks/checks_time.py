"""What the data checks cost: per picture while `preprocess` measures, and in all for 20,000 pictures.

Run it from the repository's top folder: python benchmarks/checks_time.py [pictures] [side]
The pictures are smooth random fields with one part in common, written to a mapped array as the stage has it; 50 of them
are copies in other light, and all 50 must be found. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import command, machine
from PIL import Image

from iad.datacheck import check_data
from iad.datacheck.copies import near_copies
from iad.datacheck.pictures import is_blank, measure
from iad.io import new_array, open_array

COPIES = 50


def write_pictures(path: Path, count: int, side: int) -> None:
    """Write `count` pictures, of which the last 50 are brighter copies of the first 50."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side
    part = 40 * (np.hypot(x - 0.5, y - 0.5) < 0.35)
    with new_array(path, (count, side, side, 3), np.uint8) as images:
        for row in range(count - COPIES):
            field = Image.fromarray(generator.normal(0, 15, (9, 9)).astype(np.float32)).resize((side, side), 3)
            images[row] = np.clip(100 + part + np.asarray(field), 0, 225)[..., None]
        images[-COPIES:] = images[:COPIES] + np.uint8(20)


def manifest_of(count: int) -> pd.DataFrame:
    """Half of the good pictures train; the rest is tested, the copies among them."""
    rows = np.arange(count)
    text = {"image_id": [f"{row:06}.png" for row in rows], "defect": ["good"] * count}
    text |= {"split": np.where(rows < count // 2, "train", "test").tolist(), "sha256": [f"{row}" for row in rows]}
    numbers = {
        "label": np.where(rows % 4 == 3, rows >= count // 2, 0),
        "width": rows * 0 + 300,
        "height": rows * 0 + 300,
    }
    return pd.DataFrame(text | numbers | {"mask": pd.Series([None] * count, dtype="str")})


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("pictures", nargs="?", type=int, default=20_000, help="at least 101 (default: 20,000)")
    parser.add_argument("side", nargs="?", type=int, default=112, help="in pixels (default: 112)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Time the two parts and print the line for people, then the one for programs."""
    asked = options().parse_args(arguments)
    count, side = asked.pictures, asked.side
    print(machine("numpy"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        write_pictures(path, count, side)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        times = [(time.perf_counter(), time.process_time())]
        statistics = measure(open_array(path))
        times.append((time.perf_counter(), time.process_time()))
        rows = np.arange(count)
        near_copies(statistics.grids, ~is_blank(statistics), rows, rows * 0, 1)
        times.append((time.perf_counter(), time.process_time()))
        findings, _ = check_data(manifest_of(count), statistics, rows, ([], np.zeros(count, dtype=bool)))
        times.append((time.perf_counter(), time.process_time()))
    wall, processor = np.diff(np.array(times), axis=0).T.round(2).tolist()
    found = {finding.check: len(finding.pictures) for finding in findings}
    names = ("measure", "near_copies", "all_checks")
    for name, seconds, used in zip(names, wall, processor, strict=True):
        print(f"{name}: {seconds} s by the clock, {used} s of processor")
    print(f"found {found.get('near_across', 0)} of {COPIES} copies; process at {before / 1024:.0f} MiB before")
    print(json.dumps({"pictures": count, "side": side, **dict(zip(names, wall, strict=True)), "found": found}))


if __name__ == "__main__":
    main()
