"""One metric of several methods on several categories, with the mean over categories, as papers print it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from iad.errors import unknown
from iad.metrics.image import auroc, average_precision, both_classes, confusion
from iad.statistics.bootstrap import bootstrap_samples, intervals_of, percentile_interval
from iad.statistics.pictures import Pictures

TITLES = {
    "auroc": "AUROC", "average_precision": "AP", "f1": "F1", "precision": "precision", "recall": "recall",
    "false_alarm_rate": "false-alarm rate", "balanced_accuracy": "balanced accuracy",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A value and its interval; each is None where it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def text(self) -> str:
        """As it is printed.

        >>> Cell(0.9331, 0.9118, 0.9528).text(), Cell(0.5).text(), Cell(None).text()
        ('0.933 [0.912, 0.953]', '0.500', '-')
        """
        if self.value is None:
            return "-"
        interval = "" if self.low is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{interval}"


def metric_of(scored: Pictures, metric: str) -> float | None:
    """The metric of all test pictures; None where a class is missing that it needs.

    Raises:
        IadError: for an unknown metric.
    """
    if metric not in TITLES:
        raise unknown("metric", metric, TITLES)
    if metric == "auroc":
        return auroc(scored.labels, scored.scores)
    if metric == "average_precision":
        return average_precision(scored.labels, scored.scores)
    value: float | None = getattr(confusion(scored.labels, scored.rejected), metric)
    return value


def category_cells(
    results: Mapping[str, Mapping[str, Pictures]], metric: str, *, draws: int, confidence: float, seed: int
) -> dict[str, dict[str, Cell]]:
    """The metric by category and method, and its mean over categories under the key "mean".

    The interval of a mean comes from the means of draws within the categories: they say what other pictures of the same
    categories would give, not what other categories would. A category in which all draws agree adds no width to it.
    A method that was not measured in every category has no mean, since its mean would be over easier or harder ones.

    Args:
        results: by category, then by method.
        metric: a key of `TITLES`.
        draws: bootstrap draws behind each interval; 0 gives none.
        confidence: of the intervals, in (0, 1).
        seed: of the draws; each category has draws of its own, which its methods share.

    Raises:
        IadError: for an unknown metric.
    """
    cells: dict[str, dict[str, Cell]] = {}
    sampled: dict[str, list[np.ndarray]] = {}
    for number, (category, methods) in enumerate(results.items()):
        cells[category] = {}
        for method, scored in methods.items():
            samples = _samples(scored, draws, seed + number)
            cells[category][method] = _cell(scored, metric, samples, confidence if draws else None)
            sampled.setdefault(method, []).append(samples.get(metric, np.empty(0)))
    names = list(sampled)
    means = {
        method: _mean([row.get(method) for row in cells.values()], sampled[method], confidence) for method in names
    }
    return cells | {"mean": means}


def category_rows(
    cells: Mapping[str, Mapping[str, Cell]], pictures: Mapping[str, tuple[int, int]]
) -> tuple[Sequence[str], list[list[str]]]:
    """The table as text: categories below each other, methods side by side, the mean last.

    Args:
        cells: result of `category_cells`.
        pictures: good and defective test pictures of each category.
    """
    methods = list(dict.fromkeys(method for row in cells.values() for method in row))
    missing = Cell(None)
    rows = []
    for category, row in cells.items():
        tested = "{} + {}".format(*pictures[category]) if category in pictures else ""
        rows.append([category, tested, *(row.get(method, missing).text() for method in methods)])
    return ["category", "good + defective", *methods], rows


def _samples(scored: Pictures, draws: int, seed: int) -> dict[str, np.ndarray]:
    if not draws or not both_classes(scored.labels):
        return {}
    return bootstrap_samples(scored.labels, scored.scores, scored.rejected, draws=draws, seed=seed)


def _cell(scored: Pictures, metric: str, samples: Mapping[str, np.ndarray], confidence: float | None) -> Cell:
    value = metric_of(scored, metric)
    if value is None or confidence is None:
        return Cell(value)
    found = intervals_of(samples, scored.labels, scored.scores, scored.rejected, confidence=confidence).get(metric)
    return Cell(value, found.low, found.high) if found else Cell(value)


def _mean(cells: Sequence[Cell | None], samples: Sequence[np.ndarray], confidence: float) -> Cell:
    values = [cell.value for cell in cells if cell is not None and cell.value is not None]
    if len(values) < len(cells):
        return Cell(None)
    value = float(np.mean(values))
    if any(len(drawn) == 0 for drawn in samples):
        return Cell(value)
    interval = percentile_interval(np.mean(samples, axis=0), confidence)
    return Cell(value, interval.low, interval.high)
