"""What is written of a run in numbers: metrics and the report as JSON; scores, curves, losses and costs as CSV.

Scores and thresholds keep full precision, so that verdicts can be repeated from a file. What is only looked at is
rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from iad.decision.costs import Prices, expected_cost
from iad.metrics.confusion import recall_per_defect
from iad.metrics.curves import Curve
from iad.metrics.image import auroc, average_precision, best_f1, both_classes
from iad.report.inputs import Outcome
from iad.report.pairs import Comparison
from iad.statistics.bootstrap import bootstrap_samples, intervals_of
from iad.statistics.exact import Interval

LOSSES = ("epoch", "train_loss", "validation_loss")
COSTS = ("method", "threshold", "false_alarm_rate", "recall", "cost_per_1000")


@dataclass(frozen=True, eq=False)
class Summary:
    """What is written about one method: flat `metrics`, and `details` for the report.

    Attributes:
        metrics: content of its metrics file.
        details: its part of the report.
        samples: bootstrap draws of each metric, float64 `(draws,)`; empty without draws or with one class.
    """

    metrics: dict[str, float | int]
    details: dict[str, Any]
    samples: Mapping[str, np.ndarray]


def summarize(outcome: Outcome, *, draws: int, confidence: float, seed: int) -> Summary:
    """Measure one method; a metric that is undefined for lack of a class is left out of `metrics`.

    Args:
        outcome: scores and verdicts.
        draws: bootstrap draws behind each interval; 0 gives none.
        confidence: of the intervals, in (0, 1).
        seed: of the draws; the same one for every method, so that their draws are paired.
    """
    given = (outcome.gt_label, outcome.pred_score, outcome.rejected)
    samples = bootstrap_samples(*given, draws=draws, seed=seed) if draws and both_classes(outcome.gt_label) else {}
    intervals = intervals_of(samples, *given, confidence=confidence) if draws else {}
    return Summary(_metrics(outcome, intervals.get("auroc")), _details(outcome, intervals), samples)


def report_of(
    summaries: Mapping[str, Summary],
    confidence: float,
    comparisons: Iterable[Comparison] = (),
    costs: Mapping[str, Any] | None = None,
    pixels: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The content of `plots/report.json`.

    Args:
        summaries: of each method by its name.
        confidence: of all intervals, and of the differences called real.
        comparisons: of every pair of methods.
        costs: what verdicts cost on the line; None where the costs are undefined.
        pixels: what is said of the anomaly maps of each method by its name.
    """
    return {
        "confidence": confidence,
        "methods": {
            method: {**summary.details, "pixels": dict(pixels[method])} if pixels else summary.details
            for method, summary in summaries.items()
        },
        "comparisons": [asdict(found) for found in comparisons],
        "costs": costs and dict(costs),
    }


def scores_frame(outcome: Outcome) -> pd.DataFrame:
    """Every test picture with its score, in full precision, and its verdict (1 rejected).

    >>> labels, names, none = np.array([0, 1]), np.array(["a.png", "b.png"]), np.empty(0)
    >>> outcome = Outcome(labels, np.array([0.25, 0.75]), labels == 1, "vit", names, none, none, {}, {})
    >>> print(scores_frame(outcome).to_string(index=False))
    image_id  label  score  rejected
       a.png      0   0.25         0
       b.png      1   0.75         1
    """
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
        pd.DataFrame(
            {"method": method, "threshold": curve.thresholds, x: _all_rounded(curve.x), y: _all_rounded(curve.y)}
        )
        for method, curve in curves.items()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["method", "threshold", x, y])


def losses_frame(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """Training and validation loss by epoch of every method that was trained; no rows where none was.

    >>> none, epoch = np.empty(0), {"epoch": 1, "train_loss": 0.5, "validation_loss": 0.75}
    >>> record = {"model": {"history": [epoch]}}
    >>> print(losses_frame([Outcome(none, none, none, "ae", none, none, none, {}, record)]).to_string(index=False))
    method  epoch  train_loss  validation_loss
        ae      1         0.5             0.75
    """
    rows = [(outcome.method, *(epoch[name] for name in LOSSES)) for outcome in outcomes for epoch in outcome.history]
    return pd.DataFrame(rows, columns=["method", *LOSSES])


def comparisons_frame(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """One row per comparison; what a test does not have is missing, and `real` is 1 or 0.

    >>> found = Comparison("vit", "ae", "misses", "mcnemar", -7, 0.01, only_method=2, only_against=9, real=True)
    >>> comparisons_frame([found])[["difference", "low", "only_method", "real"]].values.tolist()
    [[-7, None, 2, 1]]
    """
    rows = [[int(value) if isinstance(value, bool) else value for value in astuple(found)] for found in comparisons]
    # as they are: counts beside rates in one column stay whole numbers
    return pd.DataFrame(rows, columns=[field.name for field in fields(Comparison)], dtype=object)


def costs_frame(roc: Mapping[str, Curve], prices: Prices | None) -> pd.DataFrame:
    """Cost per 1,000 parts at the points of each ROC curve; no rows where costs are undefined.

    >>> curve = Curve(np.array([0.5]), np.array([0.25]), np.array([1.0]))  # a quarter of the good
    >>> costs_frame({"vit": curve}, Prices(miss=10, false_alarm=1, defect_rate=0.5))["cost_per_1000"].tolist()
    [125.0]
    """
    if prices is None or not roc:
        return pd.DataFrame(columns=COSTS)
    table = curves_frame(roc, "false_alarm_rate", "recall")
    cost = np.concatenate([expected_cost(curve.y, curve.x, prices) for curve in roc.values()])
    return table.assign(cost_per_1000=[round(value, 4) for value in cost.tolist()])


def rounded(value: float | None) -> float | None:
    """Six digits after the point, as the report holds rates; None stays None.

    >>> rounded(2 / 3), rounded(None)
    (0.666667, None)
    """
    return None if value is None else round(value, 6)


def _metrics(outcome: Outcome, interval: Interval | None) -> dict[str, float | int]:
    counts = outcome.confusion
    values = {
        "auroc": rounded(auroc(outcome.gt_label, outcome.pred_score)),
        "auroc_low": rounded(interval.low if interval else None),
        "auroc_high": rounded(interval.high if interval else None),
        "average_precision": rounded(average_precision(outcome.gt_label, outcome.pred_score)),
        "f1": rounded(counts.f1),
        "precision": rounded(counts.precision),
        "recall": rounded(counts.recall),
        "threshold": float(f"{outcome.threshold['value']:.6g}"),
        "false_alarms": counts.false_positives if counts.normal else None,
        "misses": counts.false_negatives if counts.anomalous else None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _details(outcome: Outcome, intervals: Mapping[str, Interval]) -> dict[str, Any]:
    counts, oracle = outcome.confusion, best_f1(outcome.gt_label, outcome.pred_score)
    per_defect = recall_per_defect(outcome.gt_label, outcome.defect, outcome.rejected)
    return {
        "pictures": {
            "calibration": len(outcome.calibration),
            "test_good": counts.normal,
            "test_anomalous": counts.anomalous,
        },
        "threshold": dict(outcome.threshold),
        "verdicts": {
            **asdict(counts),
            "false_alarm_rate": rounded(counts.false_alarm_rate),
            "balanced_accuracy": rounded(counts.balanced_accuracy),
        },
        "intervals": {name: [rounded(found.low), rounded(found.high)] for name, found in intervals.items()},
        "interval_methods": {name: found.method for name, found in intervals.items()},
        "oracle": oracle and {
            "best_f1": rounded(oracle.value),
            "threshold": oracle.threshold,
            "note": "chosen on the test labels: an upper bound, not a threshold to deploy",
        },
        "recall_per_defect": {
            kind: {**asdict(found), "recall": rounded(found.recall)} for kind, found in per_defect.items()
        },
        "provenance": _without_history(outcome.provenance),
    }  # fmt: skip


def _without_history(provenance: Mapping[str, Any]) -> dict[str, Any]:
    # the loss has a file of its own
    model = {key: value for key, value in provenance.get("model", {}).items() if key != "history"}
    return {**provenance, "model": model}


def _all_rounded(rates: np.ndarray) -> list[float | None]:
    return [rounded(rate) for rate in rates.tolist()]  # NumPy's own rounding is off by one digit in some ties
