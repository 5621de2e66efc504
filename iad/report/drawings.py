"""Which numbers and pictures each figure of a report is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from iad.decision.costs import Prices, expected_cost, reject_everything, ship_everything
from iad.decision.pixel_thresholds import PixelThreshold
from iad.metrics.curves import Curve
from iad.report.costs import deployed
from iad.report.figures.costs import CostLine, cost_curves, no_costs
from iad.report.figures.galleries import Shown, map_gallery, reduced
from iad.report.figures.overview import Estimate, Examples, overview
from iad.report.figures.verdicts import confusion_matrix, picture_strip, score_histogram
from iad.report.inputs import Images, Masks, Outcome
from iad.report.localization import ColouredMaps
from iad.report.summary import Summary
from iad.words import counted, printable

EXAMPLES = 3  # pictures of each class in the overview
RATES = 120  # shares of defective parts along an axis
MOST_KINDS = 8
FEWEST_LINES = 4  # kinds of defect share them, so that a data set of one kind shows several pictures
ORDINALS = ("", "2nd ", "3rd ", "4th ")
LONGEST_KIND = 20  # characters that fit above a picture
VERDICTS = {(0, 0): "passed", (0, 1): "rejected: false alarm", (1, 0): "passed: miss", (1, 1): "rejected"}


@dataclass(frozen=True)
class Pair:
    """Two pictures of one kind.

    Attributes:
        kind: "good", or the kind of defect.
        left: row of the test picture: a low score of the kind; for good pictures the second highest.
        right: row of a high score of the kind; for good pictures the highest. None where the kind has one picture.
        rank: 0 for the lowest and the highest score of the kind, 1 for the second lowest and second highest, ...
    """

    kind: str
    left: int
    right: int | None
    rank: int


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


def draw_gallery(outcome: Outcome, maps: ColouredMaps, masks: Masks, images: Images) -> Figure:
    """Draw the hardest and easiest picture of each kind of defect, and the good ones with the highest scores.

    Args:
        outcome: of a method that wrote maps.
        maps: of its test pictures.
        masks: of the data set.
        images: of the data set.
    """
    defects, hidden = defect_examples(outcome)

    def shown(row: int, caption: str) -> Shown:
        image_id, label, rejected = outcome.image_id[row], int(outcome.gt_label[row]), int(outcome.rejected[row])
        verdict = f"{outcome.pred_score[row]:.4g} {VERDICTS[label, rejected]}"
        picture, mask = images.of([image_id])[0], masks.shown(image_id, label)
        return reduced(Shown(caption, verdict, rejected != label, picture, mask, maps.test[row]))

    lines = [
        (shown(pair.left, left), None if pair.right is None else shown(pair.right, right))
        for pair in [*defects, *good_examples(outcome)]
        for left, right in [_captions(outcome, pair)]
    ]
    title = f"{outcome.method}: rejected from a score of {outcome.threshold['value']:.4g} on"
    return map_gallery(title, lines, maps.scale, _notes(maps.red, hidden))


def defect_examples(outcome: Outcome, *, most_kinds: int = MOST_KINDS) -> tuple[list[Pair], int]:
    """Lowest and highest scores of every kind of defect; several of each where there are few kinds.

    Returns:
        The pairs, kinds by name; and how many kinds are left out, those whose lowest score is highest.

    >>> none, kinds = np.empty(0), np.array(["good", "cut", "cut", "dent"])
    >>> labels, scores = (kinds != "good").astype(int), np.array([0.1, 0.9, 0.2, 0.5])
    >>> pairs, _ = defect_examples(Outcome(labels, scores, scores > 0.4, "vit", none, kinds, none, {}, {}))
    >>> [(pair.kind, pair.left, pair.right) for pair in pairs]
    [('cut', 2, 1), ('dent', 3, None)]
    """
    kinds = sorted(set(outcome.defect[outcome.gt_label == 1].tolist()))
    ranked = {kind: _ranked(outcome, kind) for kind in kinds}
    hardest = sorted(kinds, key=lambda kind: float(outcome.pred_score[ranked[kind][0]]))[:most_kinds]
    shown = [kind for kind in kinds if kind in hardest]
    lines = max(1, FEWEST_LINES // max(len(shown), 1))
    return [pair for kind in shown for pair in _pairs(kind, ranked[kind], lines)], len(kinds) - len(shown)


def good_examples(outcome: Outcome) -> list[Pair]:
    """The two good pictures with the highest scores, as one pair; none without good pictures.

    >>> none, scores = np.empty(0), np.array([0.1, 0.9, 0.2])
    >>> good_examples(Outcome(np.zeros(3), scores, scores > 0.4, "vit", none, none, none, {}, {}))
    [Pair(kind='good', left=2, right=1, rank=0)]
    """
    rows = np.flatnonzero(outcome.gt_label == 0)
    highest = [int(row) for row in rows[np.argsort(outcome.pred_score[rows], kind="stable")][-2:]]
    return [Pair("good", highest[0], highest[1] if len(highest) > 1 else None, 0)] if highest else []


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
        precision_recall_deployed={
            method: (found["recall"], found["precision"]) for method, found in metrics.items() if "precision" in found
        },
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


def _strip(outcome: Outcome, rows: np.ndarray, total: int, names: tuple[str, str], images: Images) -> Figure:
    number = counted(total, *names) if total else f"no {names[1]}"
    worst = f", the worst {len(rows)}" if len(rows) < total else ""
    ids, title = outcome.image_id[rows], f"{outcome.method}: {number}{worst}"
    return picture_strip(title, images.of(ids), ids, outcome.pred_score[rows], outcome.threshold["value"])


def _notes(red: PixelThreshold, hidden: int) -> list[str]:
    notes = [f"red from {red.value:.3g} on: {red.promise}", *([red.warning] if red.warning else [])]
    if hidden:
        one = "more kind of defect, found more easily, is not shown"
        notes.append(counted(hidden, one, "more kinds of defect, found more easily, are not shown"))
    return notes


def _captions(outcome: Outcome, pair: Pair) -> tuple[str, str]:
    good = pair.kind == "good" and outcome.gt_label[pair.left] == 0
    same = (outcome.gt_label == 0) if good else (outcome.gt_label == 1) & (outcome.defect == pair.kind)
    kind = printable(pair.kind)  # in one line
    kind = kind if len(kind) <= LONGEST_KIND else kind[: LONGEST_KIND - 1] + "\u2026"
    total = int(same.sum())
    if pair.right is None:
        return f"{kind}: the only one", ""
    if good:
        return f"{kind}: 2nd highest of {total}", f"{kind}: highest of {total}"
    nth = ORDINALS[pair.rank]
    return f"{kind}: {nth}lowest of {total}", f"{kind}: {nth}highest of {total}"


def _ranked(outcome: Outcome, kind: str) -> np.ndarray:
    rows = np.flatnonzero((outcome.gt_label == 1) & (outcome.defect == kind))
    return np.asarray(rows[np.argsort(outcome.pred_score[rows], kind="stable")])


def _pairs(kind: str, rows: np.ndarray, lines: int) -> list[Pair]:
    if len(rows) == 1:
        return [Pair(kind, int(rows[0]), None, 0)]
    return [Pair(kind, int(rows[rank]), int(rows[-1 - rank]), rank) for rank in range(min(lines, len(rows) // 2))]


def _examples(outcome: Outcome, label: int, images: Images) -> Examples:
    rows = outcome.typical(label, EXAMPLES)
    return Examples(images.of(outcome.image_id[rows]), outcome.pred_score[rows], outcome.rejected[rows])
