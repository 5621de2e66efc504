"""Seconds of `iad gate` on the committed results, where every method changed, and where nothing did.

Run it from the repository's top folder, environment active: python benchmarks/gate_time.py [rounds]
It works in a temporary clone of the last commit, whose scores it moves a little. The last line is JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from measuring import clone, command, machine, python

from iad import paths

TARGET = 3.0


def seconds(folder: Path, rounds: int) -> float:
    """Wall-clock seconds of the gate, the best of a few; its verdict does not matter here."""
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        ended = subprocess.run(python("-m", "iad", "gate", "HEAD"), cwd=folder, capture_output=True, text=True)
        found.append(time.perf_counter() - started)
        if ended.stderr:
            raise SystemExit(ended.stderr)
    return min(found)


def disturb(path: Path) -> None:
    """Move every score by up to 1 %."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["score"] = str(float(row["score"]) * random.uniform(0.99, 1.01))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("rounds", nargs="?", type=int, default=3, help="of which the fastest counts (default: 3)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Clone, measure, disturb, measure."""
    rounds = options().parse_args(arguments).rounds
    random.seed(0)
    print(machine("numpy"))
    with tempfile.TemporaryDirectory() as name:
        folder = clone(Path(name))
        scores = sorted((folder / paths.SCORES_CSV).glob("*.csv"))
        found = {"identical": seconds(folder, rounds)}
        for path in scores:
            disturb(path)
        found["all_changed"] = seconds(folder, rounds)
        for title, value in found.items():
            print(f"{title}: {value:.2f} s for {len(scores)} methods (target {TARGET:g} s)")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
