"""What to know beside the tables of results: doubts about the data, and thresholds that rest on one picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from iad import paths
from iad.io import read_json, read_table
from iad.words import counted


def notes(report: Mapping[str, Any]) -> list[str]:
    """Lines below the tables, from the files that the last run left in this folder.

    Args:
        report: content of the report file.
    """
    return [*_data_notes(), *(line for method in report["methods"] for line in _threshold_notes(method))]


APART = 1.5


def of_one_picture(method: str, value: float, image_ids: np.ndarray, scores: np.ndarray) -> Iterator[str]:
    """A line where one good picture alone decides what is rejected: the threshold is its score, and lies apart.

    The highest of few scores is the threshold of many rates. It lies apart where it is `APART` times as far above the
    next as that is above the median of the others: of scores with an exponential tail, about one set of 20 in ten.

    Args:
        method: its name.
        value: the threshold: that score, or the next number above it, from which on a conformal one rejects.
        image_ids: str `(n,)`, of the calibration pictures.
        scores: float64 `(n,)`, theirs.

    >>> names, scores = np.array(["a.png", "b.png", "c.png"]), np.array([9.0, 2.5, 1.5])
    >>> list(of_one_picture("vit", 9.0, names, scores))
    ['vit: the threshold 9 is the score of one of 3 good pictures, a.png (the next has 2.5); if it is odd, take it out']
    >>> len(list(of_one_picture("vit", np.nextafter(9.0, 10), names, scores)))
    1
    >>> list(of_one_picture("vit", 2.5, names, scores))
    []
    >>> list(of_one_picture("vit", 2.7, names, np.array([2.7, 2.5, 1.0])))
    []
    """
    order = np.argsort(-scores, kind="stable")
    if len(scores) < 2 or scores[order[0]] == scores[order[1]]:
        return
    first, second = scores[order[:2]]
    if value not in (first, np.nextafter(first, np.inf)):
        return
    if first - second <= APART * (second - np.median(scores[order[1:]])):
        return
    yield (
        f"{method}: the threshold {value:.4g} is the score of one of {counted(len(scores), 'good picture')}, "
        f"{image_ids[order[0]]} (the next has {scores[order[1]]:.4g}); if it is odd, take it out"
    )


def _threshold_notes(method: str) -> Iterator[str]:
    threshold, table = paths.THRESHOLD / method / paths.THRESHOLD_FILE, paths.SCORE / method / paths.CALIBRATION_SCORES
    if threshold.is_file() and table.is_file():  # a clone without `dvc pull` has neither
        found = read_table(table)
        columns = np.asarray(found["image_id"]), np.asarray(found["score"])
        yield from of_one_picture(method, read_json(threshold)["value"], *columns)


def _data_notes() -> Iterator[str]:
    found = read_json(paths.DATA_REPORT_COPY)["findings"] if paths.DATA_REPORT_COPY.is_file() else []
    if found:
        more = f"; {counted(len(found) - 1, 'more finding')}" if len(found) > 1 else ""
        first = found[0]
        yield f"data check: {first['what']}: {first['effect']}; {first['advice']}{more} ({paths.DATA_REPORT_COPY})"
