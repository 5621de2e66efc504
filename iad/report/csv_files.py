"""The CSV files of a report, as pandas DataFrames: scores picture by picture, curves, losses, comparisons and costs.

Scores and thresholds keep full precision, so that verdicts can be repeated from a file. What is only looked at is
rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, fields

import numpy as np
import pandas as pd

from iad.decision.costs import Prices, expected_cost
from iad.metrics.curves import Curve
from iad.report.outcome import Outcome
from iad.report.pairs import Comparison

LOSSES = ("epoch", "train_loss", "validation_loss")
COSTS = ("method", "threshold", "false_alarm_rate", "recall", "cost_per_1000")


def scores_frame(outcome: Outcome) -> pd.DataFrame:
    """Every test picture with its score, in full precision, and its verdict (1 rejected)."""
    return pd.DataFrame(
        {
            "image_id": outcome.image_id,
            "label": outcome.gt_label,
            "score": outcome.pred_score,
            "rejected": outcome.rejected.astype(np.int64),
        }
    )


def curves_frame(curves: Mapping[str, Curve], x: str, y: str) -> pd.DataFrame:
    """Points of several curves below each other: method, threshold in full precision, and the axes `x` and `y`.

    >>> curve = Curve(np.array([0.75, 0.5]), np.array([0.0, 1 / 3]), np.array([0.5, 1.0]))
    >>> print(curves_frame({"vit": curve}, "recall", "precision").to_string(index=False))
    method  threshold   recall  precision
       vit       0.75 0.000000        0.5
       vit       0.50 0.333333        1.0
    """
    parts = [
        pd.DataFrame({"method": method, "threshold": curve.thresholds, x: _six(curve.x), y: _six(curve.y)})
        for method, curve in curves.items()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["method", "threshold", x, y])


def losses_frame(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """Training and validation loss by epoch of every method that was trained; no rows where none was."""
    rows = [(outcome.method, *(epoch[name] for name in LOSSES)) for outcome in outcomes for epoch in outcome.history]
    return pd.DataFrame(rows, columns=["method", *LOSSES])


def comparisons_frame(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """One row per comparison; what a test does not have is missing, and `real` is 1 or 0."""
    rows = [[int(value) if isinstance(value, bool) else value for value in astuple(found)] for found in comparisons]
    # as they are: counts beside rates in one column stay whole numbers
    return pd.DataFrame(rows, columns=[field.name for field in fields(Comparison)], dtype=object)


def costs_frame(roc: Mapping[str, Curve], prices: Prices | None) -> pd.DataFrame:
    """Cost per 1,000 parts at the points of each ROC curve; no rows where costs are undefined."""
    if prices is None or not roc:
        return pd.DataFrame(columns=COSTS)
    table = curves_frame(roc, "false_alarm_rate", "recall")
    cost = np.concatenate([expected_cost(curve.y, curve.x, prices) for curve in roc.values()])
    return table.assign(cost_per_1000=[round(value, 4) for value in cost.tolist()])


def _six(rates: np.ndarray) -> list[float]:
    return [round(rate, 6) for rate in rates.tolist()]  # NumPy's rounding is off by one digit in some ties
