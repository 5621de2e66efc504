"""Which numbers and pictures each figure of a report is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from iad.decision.costs import Prices, expected_cost, reject_everything, ship_everything
from iad.io import replacing
from iad.metrics.curves import Curve
from iad.report.costs import deployed
from iad.report.figures.confusion import confusion_matrix
from iad.report.figures.costs import CostLine, cost_curves, no_costs
from iad.report.figures.histograms import score_histogram
from iad.report.figures.overview import Estimate, Examples, overview
from iad.report.figures.strips import picture_strip
from iad.report.figures.style import png
from iad.report.inputs import Images
from iad.report.outcome import Outcome
from iad.report.summary import Summary

EXAMPLES = 3  # pictures of each class in the overview
RATES = 120  # shares of defective parts along an axis


def write_figure(path: Path, figure: Figure, *, few_colours: bool = False) -> None:
    """Write a figure as PNG; few colours make a smaller file of one that photos fill."""
    with replacing(path) as part:
        part.write_bytes(png(figure, few_colours=few_colours))


def draw_histogram(outcome: Outcome) -> Figure:
    """Draw where the scores of one method lie."""
    good, defective = (outcome.pred_score[outcome.gt_label == label] for label in (0, 1))
    return score_histogram(outcome.method, good, defective, outcome.calibration, outcome.threshold["value"])


def draw_confusion(outcome: Outcome) -> Figure:
    """Draw the verdicts of one method against the labels."""
    return confusion_matrix(outcome.method, outcome.confusion.matrix)


def draw_misses(outcome: Outcome, images: Images, count: int) -> Figure:
    """Draw the defective pictures that pass, lowest score first."""
    return _strip(outcome, outcome.worst_misses(count), outcome.confusion.false_negatives, ("miss", "misses"), images)


def draw_false_alarms(outcome: Outcome, images: Images, count: int) -> Figure:
    """Draw the good pictures that are rejected, highest score first."""
    rows, total = outcome.worst_false_alarms(count), outcome.confusion.false_positives
    return _strip(outcome, rows, total, ("false alarm", "false alarms"), images)


def draw_overview(
    outcomes: Sequence[Outcome],
    summaries: Mapping[str, Summary],
    roc: Mapping[str, Curve],
    precision_recall: Mapping[str, Curve],
    confidence: float,
    images: Images,
) -> Figure:
    """Draw all methods side by side, with pictures as the best of them sees them."""
    best = max(outcomes, key=lambda outcome: summaries[outcome.method].metrics.get("auroc", 0.0))
    measured = [outcome for outcome in outcomes if outcome.method in roc]
    metrics = {outcome.method: summaries[outcome.method].metrics for outcome in measured}
    alarms = {outcome.method: outcome.confusion.false_alarm_rate or 0.0 for outcome in measured}
    return overview(
        good=_examples(best, 0, images),
        defective=_examples(best, 1, images),
        caption=f"score of {best.method}; rejected from {best.threshold['value']:.3g} on",
        roc=roc,
        precision_recall=precision_recall,
        roc_deployed={method: (alarms[method], found["recall"]) for method, found in metrics.items()},
        precision_recall_deployed={method: (found["recall"], found["precision"]) for method, found in metrics.items()},
        auroc={
            method: Estimate(found["auroc"], found.get("auroc_low"), found.get("auroc_high"))
            for method, found in metrics.items()
        },
        confidence=confidence,
        labels={outcome.method: outcome.backbone for outcome in measured},
    )


def draw_costs(
    outcomes: Sequence[Outcome], roc: Mapping[str, Curve], prices: Prices | None, max_false_alarm_rate: float
) -> Figure:
    """Draw cost against the false-alarm rate, and against the defect rate at the threshold in use."""
    if prices is None:
        return no_costs()
    rates = np.geomspace(max(prices.defect_rate / 30, 1e-5), min(prices.defect_rate * 30, 0.9), RATES)

    def along(recall: float, alarms: float) -> CostLine:
        lines = [Prices(prices.miss, prices.false_alarm, float(rate)) for rate in rates]
        return CostLine(rates, np.array([float(expected_cost(recall, alarms, line)) for line in lines]))

    points = {outcome.method: deployed(outcome, prices) for outcome in outcomes}
    return cost_curves(
        curves={method: CostLine(curve.x, expected_cost(curve.y, curve.x, prices)) for method, curve in roc.items()},
        deployed={method: (point.false_alarm_rate, point.cost) for method, point in points.items()},
        by_defect_rate={method: along(point.recall, point.false_alarm_rate) for method, point in points.items()},
        ship_everything=along(0.0, 0.0),
        reject_everything=along(1.0, 1.0),
        trivial=(ship_everything(prices), reject_everything(prices)),
        max_false_alarm_rate=max_false_alarm_rate,
        defect_rate=prices.defect_rate,
    )


def _examples(outcome: Outcome, label: int, images: Images) -> Examples:
    rows = outcome.typical(label, EXAMPLES)
    return Examples(images.of(outcome.image_id[rows]), outcome.pred_score[rows], outcome.rejected[rows])


def _strip(outcome: Outcome, rows: np.ndarray, total: int, names: tuple[str, str], images: Images) -> Figure:
    counted = f"{total or 'no'} {names[total != 1]}" + (f", the worst {len(rows)}" if len(rows) < total else "")
    ids = outcome.image_id[rows]
    title = f"{outcome.method}: {counted}"
    return picture_strip(title, images.of(ids), ids, outcome.pred_score[rows], outcome.threshold["value"])
