"""From one method's scores and verdicts to what is written about it: metrics, report, rows of tables and curves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from iad.evaluation.curves import Curve
from iad.evaluation.intervals import Interval, bootstrap_intervals
from iad.evaluation.metrics import (
    Confusion,
    auroc,
    average_precision,
    best_f1,
    confusion,
    rank,
    recall_per_defect,
)

Rows = tuple[Sequence[str], list[Sequence[object]]]
"""A header and the rows below it."""

RESULTS_HEADER = (
    "method", "backbone", "AUROC", "AP", "F1", "precision", "recall", "threshold", "false alarms", "misses",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one method said about the test pictures, and the verdicts that follow.

    Attributes:
        method: its name.
        image_ids: str `(N,)`.
        labels: int64 `(N,)`, 0 normal, 1 anomalous.
        defects: str `(N,)`, "good" or the kind of defect.
        scores: float64 `(N,)`, higher = more anomalous.
        rejected: bool `(N,)`, the verdicts.
        calibration: float64 `(K,)`, the scores of good pictures behind the threshold.
        threshold: content of `threshold.json`.
        provenance: content of `provenance.json`.
    """

    method: str
    image_ids: np.ndarray
    labels: np.ndarray
    defects: np.ndarray
    scores: np.ndarray
    rejected: np.ndarray
    calibration: np.ndarray
    threshold: Mapping[str, Any]
    provenance: Mapping[str, Any]

    def check(self, origin: str) -> None:
        """Refuse scores or labels of which no metric can be taken.

        Raises:
            IadError: beginning with `origin`, if a score is not finite, a label unknown, or no picture there.
        """
        rank(self.labels, self.scores, origin=origin)

    @cached_property
    def confusion(self) -> Confusion:
        """Verdicts counted against labels."""
        return confusion(self.labels, self.rejected)

    @property
    def backbone(self) -> str:
        """Name of the network behind the scores."""
        return str(self.provenance.get("model", {}).get("name", "-"))

    def typical(self, label: int, count: int) -> np.ndarray:
        """Rows of up to `count` pictures with this label, at evenly spaced quantiles of their scores, int64."""
        rows = np.flatnonzero(self.labels == label)
        ordered = rows[np.argsort(self.scores[rows], kind="stable")]
        places = (np.arange(count) + 1) * len(rows) // (count + 1)
        return ordered[np.unique(places)] if len(rows) else rows

    def worst_misses(self, count: int) -> np.ndarray:
        """Rows of anomalous pictures that pass, lowest score first, at most `count`, int64."""
        return self._extreme((self.labels == 1) & ~self.rejected, self.scores, count)

    def worst_false_alarms(self, count: int) -> np.ndarray:
        """Rows of good pictures that are rejected, highest score first, at most `count`, int64."""
        return self._extreme((self.labels == 0) & self.rejected, -self.scores, count)

    def _extreme(self, chosen: np.ndarray, key: np.ndarray, count: int) -> np.ndarray:
        rows = np.flatnonzero(chosen)
        return rows[np.argsort(key[rows], kind="stable")][:count]


@dataclass(frozen=True, eq=False)
class Summary:
    """What is written about one method: flat `metrics`, and `details` for the report."""

    metrics: dict[str, float | int]
    details: dict[str, Any]


def summarize(outcome: Outcome, *, draws: int, confidence: float, seed: int) -> Summary:
    """Measure one method; a metric that is undefined for lack of a class is left out of `metrics`.

    Args:
        outcome: scores and verdicts.
        draws: bootstrap draws behind each interval; 0 gives none.
        confidence: of the intervals, in (0, 1).
        seed: of the draws; the same one for every method, so that their draws are paired.
    """
    intervals = bootstrap_intervals(
        outcome.labels, outcome.scores, outcome.rejected, draws=draws, confidence=confidence, seed=seed
    )
    return Summary(_metrics(outcome, intervals.get("auroc")), _details(outcome, intervals))


def _metrics(outcome: Outcome, interval: Interval | None) -> dict[str, float | int]:
    counted = outcome.confusion
    values = {
        "auroc": _rounded(auroc(outcome.labels, outcome.scores)),
        "auroc_low": _rounded(interval.low if interval else None),
        "auroc_high": _rounded(interval.high if interval else None),
        "average_precision": _rounded(average_precision(outcome.labels, outcome.scores)),
        "f1": _rounded(counted.f1),
        "precision": _rounded(counted.precision),
        "recall": _rounded(counted.recall),
        "threshold": float(f"{outcome.threshold['value']:.6g}"),
        "false_alarms": counted.false_positives if counted.normal else None,
        "misses": counted.false_negatives if counted.anomalous else None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _details(outcome: Outcome, intervals: Mapping[str, Interval]) -> dict[str, Any]:
    counted, oracle = outcome.confusion, best_f1(outcome.labels, outcome.scores)
    per_defect = recall_per_defect(outcome.labels, outcome.defects, outcome.rejected)
    return {
        "pictures": {
            "calibration": len(outcome.calibration),
            "test_good": counted.normal,
            "test_anomalous": counted.anomalous,
        },
        "threshold": dict(outcome.threshold),
        "verdicts": {
            **asdict(counted),
            "false_alarm_rate": _rounded(counted.false_alarm_rate),
            "balanced_accuracy": _rounded(counted.balanced_accuracy),
        },
        "intervals": {name: [_rounded(found.low), _rounded(found.high)] for name, found in intervals.items()},
        "oracle": oracle and {
            "best_f1": _rounded(oracle.value),
            "threshold": oracle.threshold,
            "note": "chosen on the test labels: an upper bound, not a threshold to deploy",
        },
        "recall_per_defect": {
            kind: {**asdict(found), "recall": _rounded(found.recall)} for kind, found in per_defect.items()
        },
        "provenance": _without_history(outcome.provenance),
    }  # fmt: skip


def report_of(summaries: Mapping[str, Summary], confidence: float) -> dict[str, Any]:
    """The content of `plots/report.json`: `confidence` of all intervals, and the details of each method by its name."""
    return {
        "confidence": confidence,
        "methods": {method: summary.details for method, summary in summaries.items()},
    }


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


def results_rows(
    report: Mapping[str, Any], metrics: Mapping[str, Mapping[str, float]]
) -> tuple[Sequence[str], list[list[str]]]:
    """The table of results, as text.

    Args:
        report: content of `plots/report.json`.
        metrics: content of `metrics/<method>.json` by method.
    """
    rows = [_results_row(method, metrics[method], details) for method, details in report["methods"].items()]
    header = list(RESULTS_HEADER)
    header[2] += f" [{100 * report['confidence']:g} %]"
    return header, rows


def _results_row(method: str, values: Mapping[str, float], details: Mapping[str, Any]) -> list[str]:
    auroc_text = _shown(values.get("auroc"))
    if "auroc_low" in values:
        auroc_text += f" [{values['auroc_low']:.3f}, {values['auroc_high']:.3f}]"
    shares = [_shown(values.get(name)) for name in ("average_precision", "f1", "precision", "recall")]
    pictures = details["pictures"]
    return [
        method,
        str(details["provenance"].get("model", {}).get("name", "-")),
        auroc_text,
        *shares,
        f"{values['threshold']:.4g}",
        _of(values.get("false_alarms"), pictures["test_good"]),
        _of(values.get("misses"), pictures["test_anomalous"]),
    ]


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _of(count: float | None, total: int) -> str:
    return "-" if count is None else f"{count:d} of {total}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _without_history(provenance: Mapping[str, Any]) -> dict[str, Any]:
    # the loss has a file of its own
    model = {key: value for key, value in provenance.get("model", {}).items() if key != "history"}
    return {**provenance, "model": model}
