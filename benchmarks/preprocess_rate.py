"""How much of Pillow's own decoding rate the stage `preprocess` reaches, on the 2,624 cells of ELPV at 224 px.

Run it from the repository's top folder: python benchmarks/preprocess_rate.py [rounds]
The bare rate is a thread pool that decodes, converts and resizes bytes already in memory and keeps nothing; the stage
reads the same bytes from its archive, checks them and writes the arrays. Both use all cores; the rounds alternate, and
the medians are compared. The last line is JSON.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from iad.data.arrays import build_arrays
from iad.data.originals import write_originals
from iad.data.sources import load_pictures

SIZE = 224
TARGET = 0.85


def decode_bare(data: bytes) -> None:
    """What Pillow alone needs for one picture."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image.resize((SIZE, SIZE), Image.Resampling.BILINEAR)


def decode_bare_grey(data: bytes) -> None:
    """The same, with the three channels made last, as the stage does for grey pictures."""
    image = Image.open(io.BytesIO(data))
    image.resize((SIZE, SIZE), Image.Resampling.BILINEAR).convert("RGB")


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main(rounds: int) -> None:
    """Measure, alternating, and print medians."""
    options = {"train_share": 0.7, "doubtful": "anomalous"}
    pictures = load_pictures("elpv", "all", seed=0, options=options)
    contents = [picture.read() for picture in pictures]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(cores) as pool:
        folder = Path(name)
        manifest = write_originals(
            pictures, folder / "images.zip", folder / "raw.parquet", max_megapixels=100, allow_shared=True
        )
        arrays = folder / "images.npy", folder / "masks.npy"
        work = {
            "bare": lambda: list(pool.map(decode_bare, contents)),
            "bare_grey": lambda: list(pool.map(decode_bare_grey, contents)),
            "stage": lambda: build_arrays(folder / "images.zip", manifest, *arrays, size=SIZE),
        }
        times: dict[str, list[float]] = {what: [] for what in work}
        for _ in range(rounds):
            for what, call in work.items():
                times[what].append(seconds(call))
    rates = {what: len(contents) / statistics.median(taken) for what, taken in times.items()}
    report(rates, cores, len(contents), rounds)


def report(rates: dict[str, float], cores: int, count: int, rounds: int) -> None:
    """Print the line for people, then the one for programs."""
    share, share_grey = rates["stage"] / rates["bare"], rates["stage"] / rates["bare_grey"]
    print(
        f"{cores} cores, {count} pictures, {rounds} rounds: stage {rates['stage']:.0f}/s, "
        f"Pillow {rates['bare']:.0f}/s ({share:.0%}), Pillow with grey kept grey {rates['bare_grey']:.0f}/s "
        f"({share_grey:.0%}); wanted: {TARGET:.0%} of Pillow"
    )
    numbers = {**{f"{what}_per_s": round(rate, 1) for what, rate in rates.items()}, "share": round(share, 3)}
    print(json.dumps({"cores": cores, "pictures": count, "size": SIZE, **numbers, "share_grey": round(share_grey, 3)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
