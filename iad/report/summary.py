"""What is written about a method: its flat metrics, and its part of the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from iad.metrics.confusion import recall_per_defect
from iad.metrics.image import auroc, average_precision, best_f1, both_classes
from iad.report.outcome import Outcome
from iad.report.pairs import Comparison
from iad.statistics.bootstrap import bootstrap_samples, intervals_of
from iad.statistics.exact import Interval


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


def rounded(value: float | None) -> float | None:
    """Six digits after the point, as the report holds rates; None stays None.

    >>> rounded(2 / 3), rounded(None)
    (0.666667, None)
    """
    return None if value is None else round(value, 6)


def _metrics(outcome: Outcome, interval: Interval | None) -> dict[str, float | int]:
    counted = outcome.confusion
    values = {
        "auroc": rounded(auroc(outcome.gt_label, outcome.pred_score)),
        "auroc_low": rounded(interval.low if interval else None),
        "auroc_high": rounded(interval.high if interval else None),
        "average_precision": rounded(average_precision(outcome.gt_label, outcome.pred_score)),
        "f1": rounded(counted.f1),
        "precision": rounded(counted.precision),
        "recall": rounded(counted.recall),
        "threshold": float(f"{outcome.threshold['value']:.6g}"),
        "false_alarms": counted.false_positives if counted.normal else None,
        "misses": counted.false_negatives if counted.anomalous else None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _details(outcome: Outcome, intervals: Mapping[str, Interval]) -> dict[str, Any]:
    counted, oracle = outcome.confusion, best_f1(outcome.gt_label, outcome.pred_score)
    per_defect = recall_per_defect(outcome.gt_label, outcome.defect, outcome.rejected)
    return {
        "pictures": {
            "calibration": len(outcome.calibration),
            "test_good": counted.normal,
            "test_anomalous": counted.anomalous,
        },
        "threshold": dict(outcome.threshold),
        "verdicts": {
            **asdict(counted),
            "false_alarm_rate": rounded(counted.false_alarm_rate),
            "balanced_accuracy": rounded(counted.balanced_accuracy),
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


def _without_history(provenance: Mapping[str, Any]) -> dict[str, Any]:
    # the loss has a file of its own
    model = {key: value for key, value in provenance.get("model", {}).items() if key != "history"}
    return {**provenance, "model": model}
