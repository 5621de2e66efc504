"""Seconds of `iad gate` on the committed results, where every method changed, and where nothing did.

Run it from the repository's top folder, environment active: python benchmarks/gate_time.py
It works in a temporary clone of the last commit, whose scores it moves a little. The last line is JSON.
"""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TARGET = 3.0
REPEATS = 3


def seconds(folder: Path) -> float:
    """Wall-clock seconds of the gate, the best of a few; its verdict does not matter here."""
    found = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        ended = subprocess.run([sys.executable, "-m", "iad", "gate", "HEAD"], cwd=folder, capture_output=True)
        found.append(time.perf_counter() - started)
        if ended.stderr:
            raise SystemExit(ended.stderr.decode())
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


def main() -> None:
    """Clone, measure, disturb, measure."""
    random.seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "iad"
        subprocess.run(["git", "clone", "--quiet", ".", str(folder)], check=True)
        scores = sorted((folder / "plots" / "scores").glob("*.csv"))
        found = {"identical": seconds(folder)}
        for path in scores:
            disturb(path)
        found["all_changed"] = seconds(folder)
        for title, value in found.items():
            print(f"{title}: {value:.2f} s for {len(scores)} methods (target {TARGET:g} s)")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
