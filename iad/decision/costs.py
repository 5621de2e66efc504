"""What verdicts cost: escapes, overkill and money per 1,000 parts of the line, not of the test set.

Recall and false-alarm rate are shares within one class, so the ratio of good to defective test pictures never enters.
How many parts of the line are defective is a parameter. Drummond and Holte, "Cost curves" (2006), compare classifiers
in the same way; here costs stay in the unit of the prices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iad.errors import IadError

PARTS = 1_000


@dataclass(frozen=True)
class Prices:
    """What being wrong costs, and how often it can happen.

    Attributes:
        miss: price of a defective part that passes, in any unit, at least 0.
        false_alarm: price of a good part that is rejected, in the same unit, at least 0.
        defect_rate: share of the line's parts that are defective, in (0, 1).
    """

    miss: float
    false_alarm: float
    defect_rate: float

    def __post_init__(self) -> None:
        """Refuse a line without good or without defective parts, on which one price never applies."""
        if not 0 < self.defect_rate < 1:
            raise IadError(f"defect rate {self.defect_rate:g}: give the share of defective parts, between 0 and 1")


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold, and what it does to 1,000 parts of the line.

    Attributes:
        threshold: parts with `score >= threshold` are rejected.
        recall: share of the defective parts that are rejected.
        false_alarm_rate: share of the good parts that are rejected.
        escapes: defective parts that pass, per 1,000 parts.
        overkill: good parts that are rejected, per 1,000 parts.
        cost: expected, per 1,000 parts.
    """

    threshold: float
    recall: float
    false_alarm_rate: float
    escapes: float
    overkill: float
    cost: float


def expected_cost(recall: np.ndarray | float, false_alarm_rate: np.ndarray | float, prices: Prices) -> np.ndarray:
    """Expected cost per 1,000 parts, float64 of the shape of the rates, in the unit of the prices.

    Args:
        recall: share of the defective parts that are rejected, in [0, 1].
        false_alarm_rate: share of the good parts that are rejected, in [0, 1].
        prices: of both mistakes, and the defect rate.

    >>> line = Prices(miss=10, false_alarm=1, defect_rate=0.02)
    >>> float(expected_cost(0.75, 0.05, line))  # 5 escapes at 10, and 49 good parts at 1
    99.0
    """
    return np.asarray(
        prices.miss * escapes(recall, prices.defect_rate)
        + prices.false_alarm * overkill(false_alarm_rate, prices.defect_rate)
    )


def escapes(recall: np.ndarray | float, defect_rate: float) -> np.ndarray:
    """Defective parts that pass, per 1,000 parts, float64 of the shape of `recall`.

    >>> escapes(np.array([0.75, 1.0]), 0.02).tolist()
    [5.0, 0.0]
    """
    return PARTS * defect_rate * (1 - np.asarray(recall, dtype=np.float64))


def overkill(false_alarm_rate: np.ndarray | float, defect_rate: float) -> np.ndarray:
    """Good parts that are rejected, per 1,000 parts, float64 of the shape of `false_alarm_rate`.

    >>> overkill(np.array([0.05, 0.0]), 0.02).tolist()
    [49.0, 0.0]
    """
    return PARTS * (1 - defect_rate) * np.asarray(false_alarm_rate, dtype=np.float64)


def ship_everything(prices: Prices) -> float:
    """Cost per 1,000 parts without any inspection.

    >>> ship_everything(Prices(miss=10, false_alarm=1, defect_rate=0.02))
    200.0
    """
    return float(expected_cost(0.0, 0.0, prices))


def reject_everything(prices: Prices) -> float:
    """Cost per 1,000 parts if every part is rejected.

    >>> reject_everything(Prices(miss=10, false_alarm=1, defect_rate=0.02))
    980.0
    """
    return float(expected_cost(1.0, 1.0, prices))


def operating_point(threshold: float, recall: float, false_alarm_rate: float, prices: Prices) -> OperatingPoint:
    """Price one threshold, whose rates were measured on test pictures.

    >>> operating_point(6.5, 0.75, 0.05, Prices(miss=10, false_alarm=1, defect_rate=0.02)).cost
    99.0
    """
    return OperatingPoint(
        threshold=float(threshold),
        recall=float(recall),
        false_alarm_rate=float(false_alarm_rate),
        escapes=float(escapes(recall, prices.defect_rate)),
        overkill=float(overkill(false_alarm_rate, prices.defect_rate)),
        cost=float(expected_cost(recall, false_alarm_rate, prices)),
    )


def cheapest(
    thresholds: np.ndarray,
    recall: np.ndarray,
    false_alarm_rate: np.ndarray,
    prices: Prices,
    max_false_alarm_rate: float,
) -> OperatingPoint:
    """Find the threshold of the lowest expected cost under a false-alarm limit; the highest one where several tie.

    With rates of test pictures this is an oracle: a bound for any threshold that is chosen without them.

    Args:
        thresholds: float64 `(M,)`, strictly decreasing.
        recall: float64 `(M,)`, at each threshold.
        false_alarm_rate: float64 `(M,)`, at each threshold.
        prices: of both mistakes, and the defect rate.
        max_false_alarm_rate: the limit, in [0, 1].

    Raises:
        IadError: if every threshold rejects more good parts than the limit.

    >>> thresholds, recall, alarms = np.array([9.0, 7.0, 5.0]), np.array([0.0, 0.8, 1.0]), np.array([0.0, 0.01, 0.3])
    >>> cheapest(thresholds, recall, alarms, Prices(miss=10, false_alarm=1, defect_rate=0.02), 0.05).threshold
    7.0
    """
    allowed = np.flatnonzero(np.asarray(false_alarm_rate) <= max_false_alarm_rate)
    if not len(allowed):
        lowest = np.ceil(1000 * np.min(false_alarm_rate)) / 1000
        raise IadError(
            f"no threshold keeps the false-alarm rate at or below {max_false_alarm_rate:g}; set the limit to "
            f"{lowest:g} or more"
        )
    cost = expected_cost(np.asarray(recall)[allowed], np.asarray(false_alarm_rate)[allowed], prices)
    best = allowed[int(np.argmin(cost))]
    return operating_point(thresholds[best], recall[best], false_alarm_rate[best], prices)
