"""Which test pictures show best how a method sees each kind of defect: those it finds hardest and easiest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iad.report.outcome import Outcome

MOST_KINDS = 8
FEWEST_LINES = 4  # kinds of defect share them, so that a data set of one kind shows several pictures


@dataclass(frozen=True)
class Pair:
    """Two pictures of one kind.

    Attributes:
        kind: "good", or the kind of defect.
        left: row of the test picture: a low score of the kind; for good pictures the second highest.
        right: row of a high score of the kind; for good pictures the highest. None where the kind has one picture.
        place: 0 for the lowest and the highest score of the kind, 1 for the second lowest and second highest, ...
    """

    kind: str
    left: int
    right: int | None
    place: int


def defect_examples(outcome: Outcome, *, most_kinds: int = MOST_KINDS) -> tuple[list[Pair], int]:
    """Lowest and highest scores of every kind of defect; several of each where there are few kinds.

    Returns:
        The pairs, kinds by name; and how many kinds are left out, those whose lowest score is highest.
    """
    kinds = sorted(set(outcome.defects[outcome.labels == 1].tolist()))
    ranked = {kind: _ranked(outcome, kind) for kind in kinds}
    hardest = sorted(kinds, key=lambda kind: float(outcome.scores[ranked[kind][0]]))[:most_kinds]
    shown = [kind for kind in kinds if kind in hardest]
    lines = max(1, FEWEST_LINES // max(len(shown), 1))
    return [pair for kind in shown for pair in _pairs(kind, ranked[kind], lines)], len(kinds) - len(shown)


def good_examples(outcome: Outcome) -> list[Pair]:
    """The two good pictures with the highest scores, as one pair; none without good pictures."""
    rows = np.flatnonzero(outcome.labels == 0)
    highest = [int(row) for row in rows[np.argsort(outcome.scores[rows], kind="stable")][-2:]]
    return [Pair("good", highest[0], highest[1] if len(highest) > 1 else None, 0)] if highest else []


def _ranked(outcome: Outcome, kind: str) -> np.ndarray:
    rows = np.flatnonzero((outcome.labels == 1) & (outcome.defects == kind))
    return np.asarray(rows[np.argsort(outcome.scores[rows], kind="stable")])


def _pairs(kind: str, rows: np.ndarray, lines: int) -> list[Pair]:
    if len(rows) == 1:
        return [Pair(kind, int(rows[0]), None, 0)]
    return [Pair(kind, int(rows[place]), int(rows[-1 - place]), place) for place in range(min(lines, len(rows) // 2))]
