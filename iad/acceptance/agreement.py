"""Agreement of verdicts on the same parts: of an appraiser with itself, with the others, and with a reference.

Source: AIAG, "Measurement Systems Analysis", 4th edition (2010), chapter III, section C: cross-tabulation and kappa,
effectiveness, miss and false-alarm rates. An appraiser is whatever the design has as operator: the bundle behind one
camera or station, or with pictures by one person. The manual counts pictures; exact intervals here count parts, since
pictures of one part are no independent witnesses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from iad.acceptance.kappa import Kappa, cohen, fleiss
from iad.statistics.exact import Interval, clopper_pearson

ALONE = "all pictures"  # the appraiser of a study without operators


@dataclass(frozen=True)
class Share:
    """So many of so many parts, with the exact interval of Clopper and Pearson; none of no parts."""

    count: int
    total: int
    interval: Interval | None

    @classmethod
    def of(cls, flags: np.ndarray, confidence: float) -> Share:
        """The share of true ones among flags, bool `(N,)`."""
        count, total = int(flags.sum()), len(flags)
        return cls(count, total, clopper_pearson(count, total, confidence) if total else None)


@dataclass(frozen=True)
class AgainstReference:
    """Verdicts compared with what the parts are.

    Attributes:
        correct: parts of which every verdict is right (the manual's effectiveness).
        kappa: Cohen's, of verdict and reference, over pictures.
        missed: defective parts that passed in at least one picture.
        false_alarms: good parts that were rejected in at least one picture.
        missed_pictures: pictures of defective parts that passed, and how many there are (the manual's miss rate).
        false_alarm_pictures: the same of good parts that were rejected.
    """

    correct: Share
    kappa: Kappa
    missed: Share
    false_alarms: Share
    missed_pictures: tuple[int, int]
    false_alarm_pictures: tuple[int, int]


@dataclass(frozen=True)
class Appraiser:
    """What one appraiser's verdicts show.

    Attributes:
        name: of the operator.
        consistent: parts with several pictures of which all verdicts are the same.
        within: Fleiss' kappa among the repetitions of each part.
        reference: against it, where there is one.
    """

    name: str
    consistent: Share
    within: Kappa
    reference: AgainstReference | None


@dataclass(frozen=True)
class Agreement:
    """What all verdicts of a study show.

    Attributes:
        appraisers: one each, by name.
        together: all of them as one; the same as the only appraiser where there is one.
        pairs: Cohen's kappa of each two, trial by trial, by their names.
    """

    appraisers: tuple[Appraiser, ...]
    together: Appraiser
    pairs: tuple[tuple[str, str, Kappa], ...]


def agreement(
    rejected: np.ndarray, parts: Sequence[str], operators: Sequence[str] | None, reference: np.ndarray | None,
    confidence: float,
) -> Agreement:  # fmt: skip
    """How verdicts on the same parts agree.

    Args:
        rejected: bool `(N,)`, a verdict per picture.
        parts: the part of each picture.
        operators: the operator of each picture, of a balanced crossed design; the n-th pictures of a part by two
            operators are compared with each other. None: a single one.
        reference: bool `(N,)`, whether the part is defective; None: not known.
        confidence: of intervals, in (0, 1).

    >>> found = agreement(np.array([True, True, False, False]), list("aabb"), None, None, 0.95)
    >>> found.together.consistent.count, found.together.within.value
    (2, 1.0)
    """
    rejected = np.asarray(rejected, dtype=bool)
    row = np.unique(np.asarray(parts), return_inverse=True)[1]
    together = _appraiser(ALONE, rejected, row, reference, confidence)
    if operators is None:
        return Agreement((together,), together, ())
    named = np.asarray(operators)
    rows = {str(name): np.flatnonzero(named == name) for name in np.unique(named)}
    appraisers = [
        _appraiser(name, rejected[it], row[it], None if reference is None else reference[it], confidence)
        for name, it in rows.items()
    ]
    # by part, then as given: the n-th picture of a part by one beside the n-th by the other
    in_order = {name: it[np.argsort(row[it], kind="stable")] for name, it in rows.items()}
    pairs = [
        (one, other, cohen(rejected[in_order[one]], rejected[in_order[other]], row[in_order[one]], confidence))
        for one, other in combinations(in_order, 2)
    ]
    return Agreement(tuple(appraisers), together, tuple(pairs))


def _appraiser(
    name: str, rejected: np.ndarray, row: np.ndarray, reference: np.ndarray | None, confidence: float
) -> Appraiser:
    total = np.bincount(row)
    yes = np.bincount(row, weights=rejected)
    same = (yes == 0) | (yes == total)
    against = None if reference is None else _against(rejected, row, np.asarray(reference, dtype=bool), confidence)
    return Appraiser(name, Share.of(same[total > 1], confidence), fleiss(rejected, row, confidence), against)


def _against(rejected: np.ndarray, row: np.ndarray, bad: np.ndarray, confidence: float) -> AgainstReference:
    wrong = np.bincount(row, weights=rejected != bad) > 0  # per part: at least one verdict
    bad_part = np.bincount(row, weights=bad) > 0
    return AgainstReference(
        Share.of(~wrong, confidence),
        cohen(rejected, bad, row, confidence),
        Share.of(wrong[bad_part], confidence),
        Share.of(wrong[~bad_part], confidence),
        (int((~rejected & bad).sum()), int(bad.sum())),
        (int((rejected & ~bad).sum()), int((~bad).sum())),
    )
