"""Bundles of every method of a run: their size, the time to write, load and use them, and whether scores are the run's.

Run it from the top folder of a project that ran: python benchmarks/bundles.py [method ...]
Pictures are read from files, as on a line; what is needed is imported and the files are in the system's cache before
the clock starts. Writing is what `iad bundle` does, loading and inspecting what `iad.load` and `predict` do, maps
included; the fastest of the rounds counts for writing and loading, the median for inspecting. Scores are equal where
all test pictures get the very number that the stage `score` gave them. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import Run, command, machine, unpack

import iad
from iad import paths
from iad.bundles.bundle import write_bundle
from iad.bundles.outputs import SUFFIX
from iad.config import Params, load_params
from iad.pipeline.bundling import collect
from iad.words import as_markdown

BATCH = 32
HEADER = [
    "method", "reads", "MB", "MB with weights", "write, s", "load, s", "one picture, ms", f"{BATCH} pictures, ms each",
    "scores equal", "largest difference",
]  # fmt: skip


def timed(work: Callable[[], object], rounds: int) -> list[float]:
    """Seconds of each round."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return found


def megabytes(file: Path) -> float:
    """Size of a file."""
    return file.stat().st_size / 1e6


def measured(method: str, params: Params, folder: Path, pictures: list[Path], rounds: int) -> dict[str, Any]:
    """Figures of one method, from its last run."""
    file, whole = (folder / f"{name}{SUFFIX}" for name in (method, f"{method}_with_weights"))
    write_bundle(file, collect(params, method))
    inspector = iad.load(file)  # this imports what the method needs
    written = timed(lambda: write_bundle(file, collect(params, method)), rounds)
    loaded = timed(lambda: iad.load(file), rounds)
    inspector.save(whole, with_weights=True)
    batch = list(islice(cycle(pictures), BATCH))
    together = timed(lambda: list(inspector.predict(batch, batch_size=BATCH)), rounds)
    alone = timed(lambda: list(inspector.predict(pictures[0], batch_size=1)), rounds)
    return {
        "method": method, "reads": ", ".join(sorted(inspector.fitted.sources())), "mb": megabytes(file),
        "mb_with_weights": megabytes(whole) if inspector.embedders else None, "write_s": min(written),
        "load_s": min(loaded), "one_ms": 1000 * statistics.median(alone),
        "each_ms": 1000 * statistics.median(together) / BATCH,
    }  # fmt: skip


def compared(run: Run, method: str, file: Path, pictures: Path) -> dict[str, Any]:
    """How many test pictures get the score of the run, and the largest difference."""
    wanted = run.scores(method, paths.TEST_SCORES).set_index("image_id")["score"]
    found = {one.image_id: one.pred_score for one in iad.load(file).predict(pictures, maps=False)}
    apart = np.abs(np.array([found[image_id] for image_id in wanted.index]) - np.asarray(wanted))
    return {"equal": int((apart == 0).sum()), "pictures": len(apart), "largest": float(apart.max())}


def cells(figures: dict[str, Any]) -> list[str]:
    """One line of the table."""
    whole = figures["mb_with_weights"]
    return [
        figures["method"], figures["reads"], f"{figures['mb']:.2f}", "-" if whole is None else f"{whole:.2f}",
        f"{figures['write_s']:.2f}", f"{figures['load_s']:.2f}", f"{figures['one_ms']:.1f}",
        f"{figures['each_ms']:.1f}", f"{figures['equal']:,} of {figures['pictures']:,}", f"{figures['largest']:.2g}",
    ]  # fmt: skip


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("methods", nargs="*", help="default: all that ran")
    parser.add_argument("--rounds", type=int, default=5, help="of each timing (default: 5)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each method and print the table."""
    asked, params, run = options().parse_args(arguments), load_params(), Run()
    print(f"{machine('torch', 'timm')}; {torch.get_num_threads()} threads", flush=True)
    every = []
    with tempfile.TemporaryDirectory() as name:
        folder, pictures = Path(name), Path(name) / "pictures"
        ids = np.asarray(run.manifest["image_id"])[run.test].tolist()
        unpack(run.within(paths.ORIGINALS), ids, pictures)
        for method in asked.methods or run.methods(paths.DETECTOR):
            figures = measured(method, params, folder, [pictures / image_id for image_id in ids], asked.rounds)
            every.append(figures | compared(run, method, folder / f"{method}{SUFFIX}", pictures))
    print(f"\n{as_markdown(HEADER, [cells(figures) for figures in every], padded=True)}\n")
    print(json.dumps(every))


if __name__ == "__main__":
    main()
