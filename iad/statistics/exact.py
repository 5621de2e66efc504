"""Intervals that need no draws, for results at an end of their scale, where every bootstrap draw is the same.

0 false alarms among 177 pictures, or a perfect ranking, stay what they are however the pictures are drawn. An interval
without width would claim a certainty that the number of pictures does not give.

SciPy's beta quantile gives the ends; `scipy.stats.binomtest(...).proportion_ci(method="exact")` is the same interval,
found by a root search, from a module that takes ten times as long to import.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A confidence interval, low <= high, and how it was found.

    Attributes:
        low: lower end.
        high: upper end.
        method: `bootstrap`; `clopper_pearson`; `clopper_pearson_of_rates`, the ends of a metric over the intervals of
            recall and false-alarm rate; or `disjoint_pairs`, see `perfect_auroc_interval`.
    """

    low: float
    high: float
    method: str


def clopper_pearson(successes: int, total: int, confidence: float) -> Interval:
    """Exact interval of a rate (Clopper and Pearson 1934): the rates that a two-sided binomial test does not refuse.

    Args:
        successes: from 0 to `total`.
        total: at least 1.
        confidence: in (0, 1).

    >>> found = clopper_pearson(0, 177, 0.95)
    >>> found.low, round(found.high, 4)
    (0.0, 0.0206)
    """
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = float(betaincinv(successes, total - successes + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, total - successes, 1 - tail)) if successes < total else 1.0
    return Interval(low, high, "clopper_pearson")


def perfect_auroc_interval(auroc: float, positives: int, negatives: int, confidence: float) -> Interval:
    """Interval of an AUROC of exactly 0 or 1.

    Pair off pictures of the two classes so that none is used twice: the `min(positives, negatives)` pairs are
    independent, and each is in order with a probability that is the AUROC. So the interval is that of a rate of 0 or 1
    among so many. It uses a part of the pictures only, which makes it wider than need be.

    >>> round(perfect_auroc_interval(1.0, 61, 21, 0.95).low, 3)
    0.839
    """
    pairs = min(positives, negatives)
    found = clopper_pearson(round(auroc * pairs), pairs, confidence)
    return Interval(found.low, found.high, "disjoint_pairs")


def interval_from_rates(
    metric: Callable[[float, float], float], recall: Interval, false_alarm_rate: Interval
) -> Interval:
    """Interval of a metric that gets better as recall rises or the false-alarm rate falls, be it high or low.

    If each rate lies on one side of its interval with a probability of at most half of what the confidence leaves, then
    the metric lies on one side of this one with at most the whole of it, so the interval is wider than need be.

    Args:
        metric: of recall and false-alarm rate.
        recall: its Clopper-Pearson interval.
        false_alarm_rate: its Clopper-Pearson interval.

    >>> recall, false_alarms = clopper_pearson(50, 50, 0.95), clopper_pearson(5, 100, 0.95)
    >>> found = interval_from_rates(lambda recall, false_alarms: (recall + 1 - false_alarms) / 2, recall, false_alarms)
    >>> round(found.low, 3), round(found.high, 3)
    (0.908, 0.992)
    """
    worst, best = metric(recall.low, false_alarm_rate.high), metric(recall.high, false_alarm_rate.low)
    return Interval(float(min(worst, best)), float(max(worst, best)), "clopper_pearson_of_rates")
