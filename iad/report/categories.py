"""One metric of several methods on several categories, with the mean over categories, as papers print it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from iad.errors import unknown
from iad.metrics.confusion import Verdicts
from iad.metrics.image import auroc, average_precision, both_classes
from iad.statistics.bootstrap import bootstrap_samples, intervals_of, percentile_interval
from iad.words import counted

TITLES = {
    "auroc": "AUROC", "average_precision": "AP", "f1": "F1", "precision": "precision", "recall": "recall",
    "false_alarm_rate": "false-alarm rate", "balanced_accuracy": "balanced accuracy",
}  # fmt: skip
MEAN = "mean"
CSV_HEADER = ("category", "method", "metric", "value", "low", "high")


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


def metric_of(verdicts: Verdicts, metric: str) -> float | None:
    """The metric of all test pictures; None where a class is missing that it needs.

    Args:
        verdicts: of the test pictures.
        metric: a key of `TITLES`.

    Raises:
        IadError: for an unknown metric.

    >>> verdicts = Verdicts(np.array([0, 0, 1]), np.array([0.1, 0.3, 0.9]), np.array([False, True, True]))
    >>> [metric_of(verdicts, name) for name in ("auroc", "precision", "false_alarm_rate")]
    [1.0, 0.5, 0.5]
    """
    if metric not in TITLES:
        raise unknown("metric", metric, TITLES)
    if metric == "auroc":
        return auroc(verdicts.gt_label, verdicts.pred_score)
    if metric == "average_precision":
        return average_precision(verdicts.gt_label, verdicts.pred_score)
    value: float | None = getattr(verdicts.confusion, metric)
    return value


def category_cells(
    results: Mapping[str, Mapping[str, Verdicts]], metric: str, *, draws: int, confidence: float, seed: int
) -> dict[str, dict[str, Cell]]:
    """The metric by category and method, and its mean over categories under the key `MEAN`.

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

    >>> good = Verdicts(np.array([0, 1]), np.array([0.1, 0.9]), np.array([False, True]))
    >>> poor = Verdicts(np.array([0, 1]), np.array([0.9, 0.1]), np.array([True, False]))
    >>> cells = category_cells({"bolt": {"vit": good}, "nut": {"vit": poor}}, "auroc", draws=0, confidence=0.95, seed=0)
    >>> [cells[category]["vit"].text() for category in ("bolt", "nut", MEAN)]
    ['1.000', '0.000', '0.500']
    """
    cells: dict[str, dict[str, Cell]] = {}
    sampled: dict[str, list[np.ndarray]] = {}
    for number, (category, methods) in enumerate(results.items()):
        cells[category] = {}
        for method, verdicts in methods.items():
            samples = _samples(verdicts, draws, seed + number)
            cells[category][method] = _cell(verdicts, metric, samples, confidence if draws else None)
            sampled.setdefault(method, []).append(samples.get(metric, np.empty(0)))
    means = {
        method: _mean([row.get(method) for row in cells.values()], drawn, confidence)
        for method, drawn in sampled.items()
    }
    return cells | {MEAN: means}


def categories_rows(
    cells: Mapping[str, Mapping[str, Cell]], results: Mapping[str, Mapping[str, Verdicts]]
) -> tuple[Sequence[str], list[list[str]]]:
    """The table as text: categories below each other, methods side by side, the mean last.

    Args:
        cells: result of `category_cells`.
        results: what the cells were made of; it tells the number of good and defective test pictures.

    >>> verdicts = Verdicts(np.array([0, 0, 1]), np.array([0.1, 0.3, 0.9]), np.array([False, True, True]))
    >>> cells = {"bolt": {"vit": Cell(1.0)}, MEAN: {"vit": Cell(1.0)}}
    >>> categories_rows(cells, {"bolt": {"vit": verdicts}})[1]
    [['bolt', '2 + 1', '1.000'], ['mean', '', '1.000']]
    """
    methods = list(dict.fromkeys(method for row in cells.values() for method in row))
    missing = Cell(None)
    rows = [
        [category, _tested(results.get(category, {})), *(row.get(method, missing).text() for method in methods)]
        for category, row in cells.items()
    ]
    return ["category", "good + defective", *methods], rows


def categories_csv(cells: Mapping[str, Mapping[str, Cell]], metric: str) -> str:
    """One line per category and method, numbers to six digits, without a last line end.

    >>> print(categories_csv({"bolt": {"vit": Cell(0.9331, 0.9118, 0.9528)}}, "auroc"))
    category,method,metric,value,low,high
    bolt,vit,auroc,0.9331,0.9118,0.9528
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for category, row in cells.items():
        for method, cell in row.items():
            numbers = [None if value is None else round(value, 6) for value in (cell.value, cell.low, cell.high)]
            writer.writerow((category, method, metric, *numbers))
    return text.getvalue().rstrip("\n")


def categories_legend(metric: str, categories: int, *, draws: int, confidence: float) -> str:
    """What the numbers of the table are.

    >>> categories_legend("f1", 2, draws=2000, confidence=0.95)
    'F1 with 95 % intervals over test pictures, 2,000 stratified draws in each of 2 categories'
    >>> categories_legend("f1", 1, draws=2000, confidence=0.95)
    'F1 with 95 % intervals over test pictures, 2,000 stratified draws'
    """
    if not draws:
        return f"{TITLES[metric]}; no intervals, since evaluate.bootstrap is 0"
    each = f" in each of {categories} categories" if categories > 1 else ""
    drawn = counted(draws, "stratified draw")
    return f"{TITLES[metric]} with {100 * confidence:g} % intervals over test pictures, {drawn}{each}"


def _tested(methods: Mapping[str, Verdicts]) -> str:
    verdicts = next(iter(methods.values()), None)
    return "" if verdicts is None else f"{verdicts.confusion.normal} + {verdicts.confusion.anomalous}"


def _samples(verdicts: Verdicts, draws: int, seed: int) -> dict[str, np.ndarray]:
    if not draws or not both_classes(verdicts.gt_label):
        return {}
    return bootstrap_samples(verdicts.gt_label, verdicts.pred_score, verdicts.rejected, draws=draws, seed=seed)


def _cell(verdicts: Verdicts, metric: str, samples: Mapping[str, np.ndarray], confidence: float | None) -> Cell:
    value = metric_of(verdicts, metric)
    if value is None or confidence is None:
        return Cell(value)
    given = (verdicts.gt_label, verdicts.pred_score, verdicts.rejected)
    found = intervals_of(samples, *given, confidence=confidence).get(metric)
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
