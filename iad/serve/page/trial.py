"""What another threshold would have done to the parts in the log, to the promise and to the cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iad.decision.costs import Prices, expected_cost
from iad.errors import IadError
from iad.serve.entries import Entry
from iad.serve.rejudging import Pair, by_threshold
from iad.statistics.exact import Interval, clopper_pearson
from iad.words import percent

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Share:
    """How many of some parts are rejected.

    Attributes:
        rejected: of them.
        total: of them.
    """

    rejected: int
    total: int

    @property
    def value(self) -> float:
        """In [0, 1]; 0 of nothing."""
        return self.rejected / max(self.total, 1)

    @property
    def interval(self) -> Interval:
        """With 95 % confidence (Clopper and Pearson 1934)."""
        return clopper_pearson(self.rejected, self.total, CONFIDENCE)

    def __str__(self) -> str:
        """For people, with the interval.

        >>> str(Share(2, 40)), str(Share(0, 0))
        ('2 of 40: 5 % (0.6 to 16.9 %)', 'none yet')
        """
        if not self.total:
            return "none yet"
        ends = self.interval
        span = f"{100 * ends.low:.1f} to {100 * ends.high:.1f} %"
        return f"{self.rejected:,} of {self.total:,}: {percent(self.value)} ({span})"


@dataclass(frozen=True)
class Effect:
    """What a threshold does.

    Attributes:
        parts: recent parts.
        good: those of them that operators call good.
        bad: those of them that operators call bad.
        calibration: good pictures that set the bundle's threshold, scored out of sample.
    """

    parts: Share
    good: Share
    bad: Share
    calibration: Share

    def cost(self, prices: Prices) -> float | None:
        """Expected per 1,000 parts, where operators called some parts bad: without, nobody knows what it misses."""
        if not self.bad.total:
            return None
        return float(expected_cost(self.bad.value, self.calibration.value, prices))


def prices_of(miss: float | None, false_alarm: float | None, bad_percent: float | None) -> Prices:
    """Prices as people enter them; None where a field is empty.

    Raises:
        IadError: in a sentence for them.

    >>> prices_of(-5, 1, 1)
    Traceback (most recent call last):
    iad.errors.IadError: A price cannot be negative: give 0 or more.
    """
    if miss is None or false_alarm is None or bad_percent is None:
        raise IadError("Give both prices and the share of bad parts, to see the cost.")
    if not (miss >= 0 and false_alarm >= 0):
        raise IadError("A price cannot be negative: give 0 or more.")
    if not 0 < bad_percent < 100:
        raise IadError("Give the share of bad parts, above 0 and below 100 %.")
    return Prices(miss=miss, false_alarm=false_alarm, defect_rate=bad_percent / 100)


@dataclass(frozen=True)
class Trial:
    """A threshold beside the one at work.

    Attributes:
        threshold: that is tried.
        alpha: `threshold.alpha` that would set about this one, see `iad.decision.conformal`.
        now: what happened.
        then: what would have.
    """

    threshold: float
    alpha: float
    now: Effect
    then: Effect


def tried(entries: Sequence[Entry], threshold: float, at_work: float, calibration: np.ndarray, log: Path) -> Trial:
    """Try a threshold.

    Args:
        entries: verdicts of one bundle.
        threshold: parts with at least this score are rejected.
        at_work: the bundle's own.
        calibration: float64 `(n,)`, the bundle's calibration scores.
        log: for refusals.

    Raises:
        IadError: if it is no number, or there is no verdict.
    """
    pairs = by_threshold(entries, threshold, log)
    was, would = ([one.before for one in pairs], [one.after for one in pairs])
    return Trial(
        threshold, _alpha(int((calibration >= threshold).sum()), len(calibration)),
        _effect(pairs, was, calibration, at_work), _effect(pairs, would, calibration, threshold),
    )  # fmt: skip


def _alpha(reaching: int, n: int) -> float:
    """The false-alarm rate whose conformal threshold lets as many calibration scores reach it, rounded up.

    >>> _alpha(9, 200), _alpha(200, 200)
    (0.04976, 0.99999)
    """
    steps = int(10 ** (2 + len(str(n))))
    return min(math.ceil(steps * (1 + reaching) / (1 + n)), steps - 1) / steps


def _effect(pairs: Sequence[Pair], rejected: Sequence[bool], calibration: np.ndarray, threshold: float) -> Effect:
    good, bad = (
        _share([is_rejected for one, is_rejected in zip(pairs, rejected, strict=True) if one.word == word])
        for word in ("good", "bad")
    )
    return Effect(_share(rejected), good, bad, _share((calibration >= threshold).tolist()))


def _share(rejected: Sequence[bool]) -> Share:
    return Share(sum(rejected), len(rejected))
