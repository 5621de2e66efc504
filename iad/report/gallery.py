"""The gallery of one method: the pictures that show best how it sees each kind of defect, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from iad.decision.pixel_thresholds import PixelThreshold
from iad.report.figures.galleries import Shown, map_gallery, reduced
from iad.report.inputs import Images, Masks
from iad.report.localization import ColouredMaps
from iad.report.outcome import Outcome

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
    """
    kinds = sorted(set(outcome.defect[outcome.gt_label == 1].tolist()))
    ranked = {kind: _ranked(outcome, kind) for kind in kinds}
    hardest = sorted(kinds, key=lambda kind: float(outcome.pred_score[ranked[kind][0]]))[:most_kinds]
    shown = [kind for kind in kinds if kind in hardest]
    lines = max(1, FEWEST_LINES // max(len(shown), 1))
    return [pair for kind in shown for pair in _pairs(kind, ranked[kind], lines)], len(kinds) - len(shown)


def good_examples(outcome: Outcome) -> list[Pair]:
    """The two good pictures with the highest scores, as one pair; none without good pictures."""
    rows = np.flatnonzero(outcome.gt_label == 0)
    highest = [int(row) for row in rows[np.argsort(outcome.pred_score[rows], kind="stable")][-2:]]
    return [Pair("good", highest[0], highest[1] if len(highest) > 1 else None, 0)] if highest else []


def _notes(red: PixelThreshold, hidden: int) -> list[str]:
    notes = [f"red from {red.value:.3g} on: {red.promise}", *([red.warning] if red.warning else [])]
    if hidden:
        kinds, are = ("kinds", "are") if hidden > 1 else ("kind", "is")
        notes.append(f"{hidden} more {kinds} of defect, found more easily, {are} not shown")
    return notes


def _captions(outcome: Outcome, pair: Pair) -> tuple[str, str]:
    good = pair.kind == "good" and outcome.gt_label[pair.left] == 0
    same = (outcome.gt_label == 0) if good else (outcome.gt_label == 1) & (outcome.defect == pair.kind)
    kind = pair.kind if len(pair.kind) <= LONGEST_KIND else pair.kind[: LONGEST_KIND - 1] + "\u2026"
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
