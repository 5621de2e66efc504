"""Agreement beyond chance of two-valued verdicts, with intervals that count parts, not pictures.

Sources: Cohen (1960), "A coefficient of agreement for nominal scales"; Fleiss (1971), "Measuring nominal scale
agreement among many raters", in the form of Fleiss and Cuzick (1979), in which parts may have different numbers of
verdicts, and which is Fleiss' own where the numbers are equal.

Pictures of one part are no independent witnesses, so intervals are by the jackknife over parts: each part is left out
once, with all its pictures, and the estimate's spread follows from how much that changes it. Where no verdict
differs, no part changes anything; the interval then follows from the exact one of Clopper and Pearson for the share of
parts that agree, with the agreement by chance as observed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from iad.statistics.exact import clopper_pearson

Statistic = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Of sums over parts, float64 `(..., C)`: the observed agreement and that by chance, `(...,)` each."""


@dataclass(frozen=True)
class Kappa:
    """Agreement beyond chance: 1 is perfect, 0 what chance gives.

    Attributes:
        value: None where all verdicts are the same, so that chance alone would agree too.
        low: end of the interval; None where there is none: a single part decides whether there is a kappa, or no part
            changes it, as where one side always says the same.
        high: the other end.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


def cohen(first: np.ndarray, second: np.ndarray, parts: np.ndarray, confidence: float) -> Kappa:
    """Cohen's kappa of two verdicts on the same pictures.

    Args:
        first: bool `(N,)`.
        second: bool `(N,)`.
        parts: int64 `(N,)`, the part of each picture, counted from 0 without gaps.
        confidence: of the interval, in (0, 1).

    >>> verdicts = np.array([True, True, False, False, False, True])
    >>> found = cohen(verdicts, np.array([True, True, False, False, True, True]), np.arange(6), 0.95)
    >>> round(found.value, 3)
    0.667
    """
    kinds = np.eye(4)[2 * first.astype(int) + second.astype(int)]  # (N, 4): neither, second alone, first alone, both
    return _of_parts(_summed(kinds, parts), _cohen, confidence)


def fleiss(verdicts: np.ndarray, parts: np.ndarray, confidence: float) -> Kappa:
    """Fleiss' kappa of any number of verdicts on each part; parts with a single verdict say nothing and are left out.

    Args:
        verdicts: bool `(N,)`.
        parts: int64 `(N,)`, the part of each verdict, counted from 0 without gaps.
        confidence: of the interval, in (0, 1).

    >>> fleiss(np.array([True, True, False, False]), np.array([0, 0, 1, 1]), 0.95).value
    1.0
    """
    total = np.bincount(parts).astype(np.float64)
    yes = np.bincount(parts, weights=verdicts.astype(np.float64))
    yes, total = yes[total > 1], total[total > 1]
    columns = np.stack([yes * (total - yes) / total, yes, total, np.ones_like(total)], axis=1)  # (parts, 4)
    return _of_parts(columns, _fleiss, confidence)


def _cohen(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = sums.sum(-1)
    first, second = (sums[..., 2] + sums[..., 3]) / total, (sums[..., 1] + sums[..., 3]) / total
    return (sums[..., 0] + sums[..., 3]) / total, first * second + (1 - first) * (1 - second)


def _fleiss(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    discord, yes, total, parts = np.moveaxis(sums, -1, 0)
    share, spare = yes / total, total - parts  # spare: parts x (mean number of verdicts - 1)
    return 1 - 2 * discord / spare, 1 - 2 * share * (1 - share)


def _summed(values: np.ndarray, parts: np.ndarray) -> np.ndarray:
    sums = np.zeros((int(parts.max()) + 1, values.shape[1]))
    np.add.at(sums, parts, values)
    return sums


def _of_parts(columns: np.ndarray, statistic: Statistic, confidence: float) -> Kappa:
    """Kappa and its interval from what each part adds, float64 `(parts, C)`."""
    n = len(columns)
    if n == 0:
        return Kappa(None)
    sums = columns.sum(0)
    value = float(_kappa(*statistic(sums)))
    if math.isnan(value):
        return Kappa(None)
    observed, chance = (float(one) for one in statistic(sums))
    if observed >= 1:
        low = clopper_pearson(n, n, confidence).low
        return Kappa(1.0, max(-1.0, (low - chance) / (1 - chance)), 1.0)
    if n < 2:
        return Kappa(value)
    without = _kappa(*statistic(sums - columns))
    if np.isnan(without).any():
        return Kappa(value)
    from scipy.special import stdtrit

    error = math.sqrt((n - 1) / n * float(((without - without.mean()) ** 2).sum()))
    if error == 0:  # as where one side always says the same: kappa is then 0 whatever the parts are
        return Kappa(value)
    width = float(stdtrit(n - 1, (1 + confidence) / 2)) * error
    return Kappa(value, max(-1.0, value - width), min(1.0, value + width))


def _kappa(observed: np.ndarray, chance: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: np.ndarray = np.where(chance < 1, (observed - chance) / (1 - chance), np.nan)
    return found
