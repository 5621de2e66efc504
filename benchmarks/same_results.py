"""Whether two versions of the code gave the same: scores, maps, thresholds and metrics of every method of two runs.

Run the same data and parameters through both, each in a copy of its own, then:
python benchmarks/same_results.py OLD NEW
OLD and NEW are the top folders. "equal" is to the last bit; else the largest difference as a part of the largest
value. The last column names the metrics that differ. The exit code is 1 if one does, or a threshold beyond rounding.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from measuring import command

from iad import paths
from iad.io import open_array, read_json, read_table
from iad.words import as_markdown

HEADER = ["method", "calibration", "maps", "test", "maps", "threshold", "metrics"]
ROUNDING = 1e-9
TABLES = {paths.CALIBRATION_SCORES: paths.CALIBRATION_MAPS, paths.TEST_SCORES: paths.TEST_MAPS}


def difference(old: np.ndarray, new: np.ndarray) -> float:
    """The largest difference as a part of the largest value; infinite between arrays of other shapes."""
    if old.shape != new.shape:
        return float("inf")
    return 0.0 if np.array_equal(old, new) else float(np.abs(old - new).max() / np.abs(old).max())


def shown(value: float | None) -> str:
    """A difference for people; None where neither run has such a file."""
    return "none" if value is None else "equal" if value == 0 else f"{value:.1e}"


def of_files(old: Path, new: Path, read: Callable[[Path], np.ndarray]) -> float | None:
    """The difference of two files; None if neither is there, infinite if one is."""
    there = old.is_file(), new.is_file()
    if not any(there):
        return None
    return difference(read(old), read(new)) if all(there) else float("inf")


def compare(old: Path, new: Path, method: str) -> tuple[list[str], bool]:
    """The row of one method, and whether its threshold and metrics are the same but for rounding."""
    row, score, threshold = [method], paths.SCORE / method, paths.THRESHOLD / method / paths.THRESHOLD_FILE
    for table, maps in TABLES.items():
        row.append(shown(of_files(old / score / table, new / score / table, scores_of)))
        row.append(shown(of_files(old / score / maps, new / score / maps, open_array)))
    apart = of_files(old / threshold, new / threshold, value_of)
    metrics = [read_json(run / paths.METRICS / f"{method}.json") for run in (old, new)]
    differ = [name for name in {**metrics[0], **metrics[1]} if metrics[0].get(name) != metrics[1].get(name)]
    row += [shown(apart), ", ".join(differ) or "equal"]
    return row, not differ and apart is not None and apart <= ROUNDING


def scores_of(path: Path) -> np.ndarray:
    """The scores of a table, in the order of its pictures."""
    table = read_table(path)
    return np.asarray(table["score"])[np.argsort(np.asarray(table["image_id"]))]


def value_of(path: Path) -> np.ndarray:
    """A threshold."""
    return np.array([read_json(path)["value"]])


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, and print the table."""
    parser = command(__doc__, __file__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    given = parser.parse_args(arguments)
    methods = sorted(path.stem for path in (given.new / paths.METRICS).glob("*.json"))
    found = [compare(given.old, given.new, method) for method in methods]
    print(as_markdown(HEADER, [row for row, _ in found]))
    sys.exit(not all(same for _, same in found))


if __name__ == "__main__":
    main()
