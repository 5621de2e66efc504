"""The command line of `inspect.pyz`, which lies beside every graph: pictures in, verdicts out, as of `iad predict`.

python inspect.pyz GRAPH PICTURES... [--out verdicts.csv] [--maps FOLDER] [--threads N]

Unlike `iad predict` it does not warn of pictures whose size, compression, colour or depth is not that of the bundle's.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from iad.data.formats import FORMAT_OF_SUFFIX, UNREAD_SUFFIXES
from iad.data.tree import look_through, read_bytes
from iad.errors import IadError
from iad.export.runner import Finding, Graph
from iad.progress import say, tell
from iad.words import as_text, printable

REJECTED, UNREAD = 3, 4  # exit codes, as of `iad predict`
COLUMNS = ("path", "score", "p_value", "rejected", "error")

Row: TypeAlias = tuple[Path, Finding | None, str]
"""A picture, and what is said of it or why nothing is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Inspect pictures; returns the exit code."""
    asked = _options().parse_args(arguments)
    try:
        for place, there in (("--out", asked.out), ("--maps", asked.maps)):
            if there is not None and there.exists():
                raise IadError(f"{there}: exists already; name another with {place}")
        graph = Graph(asked.graph, threads=asked.threads)
        if asked.maps is not None and graph.card["maps"] is None:
            raise IadError(f"{asked.graph}: {graph.method} gives no maps; leave --maps out")
        rows = [_inspected(graph, path, problem, asked.maps) for path, problem in _find(asked.pictures)]
        _told(rows, graph.threshold, asked.out)
    except IadError as refusal:
        tell(f"inspect: {refusal}")
        return 1
    if any(found and found.rejected for _, found, _ in rows):
        return REJECTED
    return UNREAD if any(error for _, _, error in rows) else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="inspect.pyz", description=__doc__)
    parser.add_argument("graph", type=Path, help=".onnx or .xml")
    parser.add_argument("pictures", type=Path, nargs="+", help="files or folders")
    parser.add_argument("--out", type=Path, help="a table, CSV")
    parser.add_argument("--maps", type=Path, help="a folder for each picture's map, float32 .npy")
    parser.add_argument("--threads", type=int, default=0, help="0: as the runtime likes")
    return parser


def _find(places: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Files, and of folders what is named as a picture; with what is wrong with each."""
    suffixes = {*FORMAT_OF_SUFFIX, *UNREAD_SUFFIXES}
    for place in places:
        if not place.is_dir():
            yield place, ""
            continue
        found = sorted((path, why) for _, path, why in look_through(place) if path.suffix.lower() in suffixes)
        if not found:
            raise IadError(f"{place}: no picture in this folder; name a folder or files with pictures")
        yield from found


def _inspected(graph: Graph, path: Path, problem: str, maps: Path | None) -> Row:
    try:
        if problem:
            raise IadError(problem)
        found = graph.inspect(graph.decode(read_bytes(path), str(path)))
    except IadError as refusal:
        return path, None, str(refusal)
    if maps is not None and found.anomaly_map is not None:
        file = maps / (path.as_posix().lstrip("/.").replace("/", "_") + ".npy")
        maps.mkdir(parents=True, exist_ok=True)
        np.save(file, found.anomaly_map)
    return path, found._replace(anomaly_map=None), ""


def _told(rows: Sequence[Row], threshold: float, out: Path | None) -> None:
    if out is None:
        verdicts = {True: "rejected", False: "passed"}
        lines = [
            (printable(str(path)), verdicts[found.rejected], f"{found.score:.4f}", f"{found.p_value:.4f}")
            for path, found, _ in rows if found
        ]  # fmt: skip
        say(as_text(("picture", "verdict", "score", "p"), lines))
    else:
        with out.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            table.writerows((path, *(found[:3] if found else ("", "", "")), error) for path, found, error in rows)
    for _, _, error in rows:
        if error:
            say(printable(f"not read: {error}"))
    rejected, unread = sum(bool(found and found.rejected) for _, found, _ in rows), sum(bool(one[2]) for one in rows)
    say(
        f"{rejected} of {len(rows) - unread} rejected (score >= {threshold:.4g})"
        + (f", {unread} not read" * bool(unread))
    )


if __name__ == "__main__":
    sys.exit(main())
