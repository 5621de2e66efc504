"""Rows of the CSV files: scores picture by picture, curves, and the autoencoder's loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from iad.metrics.curves import Curve
from iad.report.outcome import Outcome

Rows = tuple[Sequence[str], list[Sequence[object]]]
"""A header and the rows below it."""


def score_rows(outcome: Outcome) -> Rows:
    """Every test picture with its score, in full precision, and its verdict (1 rejected)."""
    columns = (outcome.image_ids, outcome.labels, outcome.scores, outcome.rejected.astype(np.int64))
    return ("image_id", "label", "score", "rejected"), list(zip(*(c.tolist() for c in columns), strict=True))


def curves_of(curve: Callable[[np.ndarray, np.ndarray], Curve | None], outcomes: Iterable[Outcome]) -> dict[str, Curve]:
    """Curve of each method by its name; without those whose test pictures are all of one class."""
    found = {outcome.method: curve(outcome.labels, outcome.scores) for outcome in outcomes}
    return {method: points for method, points in found.items() if points is not None}


def curve_rows(curves: Mapping[str, Curve], x: str, y: str) -> Rows:
    """Points of several curves below each other: method, threshold in full precision, and the axes `x` and `y`."""
    rows = [
        (method, threshold, round(at_x, 6), round(at_y, 6))
        for method, curve in curves.items()
        for threshold, at_x, at_y in zip(curve.thresholds.tolist(), curve.x.tolist(), curve.y.tolist(), strict=True)
    ]
    return ("method", "threshold", x, y), list(rows)


def loss_rows(outcomes: Iterable[Outcome]) -> Rows:
    """Training and validation loss by epoch of the first method that was trained; no rows where none was."""
    header = ("epoch", "train_loss", "validation_loss")
    histories = (outcome.provenance.get("model", {}).get("history") for outcome in outcomes)
    history: list[dict[str, Any]] = next((found for found in histories if found), [])
    return header, [tuple(epoch[name] for name in header) for epoch in history]
