"""Is the difference of two methods real? Tests of scores and of verdicts on the same pictures, and Holm's correction.

- AUROC: DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated ROC curves" (1988), with
  the components found by sorting, as Sun and Xu (2014) do by midranks.
- Verdicts: McNemar's test (1947), exact.
- Any other metric: the draws of `iad.statistics.bootstrap`, which are the same pictures for both methods.
- Several tests at once: Holm, "A simple sequentially rejective multiple test procedure" (1979).

SciPy has neither DeLong's test nor Holm's correction (`false_discovery_control` holds another error rate), and its
bootstrap draws neither inside classes nor the same pictures for several methods; they are written here. Its exact
binomial test is `scipy.stats.binomtest`, whose module takes longer to import than `iad gate` may run; `scipy.special`
has the same tail.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from iad.errors import IadError
from iad.metrics.image import rank


@dataclass(frozen=True)
class Difference:
    """How much higher a metric of method a is than that of method b on the same pictures.

    Attributes:
        value: a - b.
        standard_error: of the value; 0 where the two never differ.
        low: lower end of the confidence interval.
        high: upper end of the confidence interval.
        p: two-sided p value of "no difference", in [0, 1].
    """

    value: float
    standard_error: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Discordance:
    """Pictures on which only one of two verdicts is wrong.

    Attributes:
        only_a: pictures that method a alone gets wrong.
        only_b: pictures that method b alone gets wrong.
        p: two-sided p value of "both are wrong equally often", in (0, 1].
    """

    only_a: int
    only_b: int
    p: float


def delong(
    labels: np.ndarray, scores_a: np.ndarray, scores_b: np.ndarray, *, confidence: float = 0.95
) -> Difference | None:
    """Compare the AUROC of two methods on the same pictures (DeLong et al. 1988).

    The test takes the difference as normal. Where each picture's component differs by the same amount, its estimate of
    the variance is 0 and says nothing; the p value is then the least that swapping the two methods picture by picture
    could give, `2 / 2^N`.

    Args:
        labels: int64 `(N,)`, 0 normal, 1 anomalous.
        scores_a: float64 `(N,)`, higher = more anomalous; a tie of a normal and an anomalous picture counts one half.
        scores_b: float64 `(N,)`, of the same pictures in the same order.
        confidence: of the interval, in (0, 1).

    Returns:
        None unless each class has at least two pictures, for the variance needs two.

    Raises:
        IadError: if the lengths differ, a label is neither 0 nor 1, or a score is not finite.

    >>> labels = np.array([0, 0, 0, 1, 1, 1])
    >>> found = delong(labels, np.array([1, 2, 3, 4, 5, 6.0]), np.array([1, 2, 5, 4, 3, 6.0]))
    >>> round(found.value, 3), round(found.standard_error, 3), round(found.p, 3)
    (0.222, 0.248, 0.371)
    """
    components = [_components(labels, scores, origin) for scores, origin in ((scores_a, "a"), (scores_b, "b"))]
    (anomalous_a, normal_a), (anomalous_b, normal_b) = components
    anomalous, normal = anomalous_a - anomalous_b, normal_a - normal_b
    if min(len(anomalous), len(normal)) < 2:
        return None
    value = float(anomalous.mean())
    variance = float(anomalous.var(ddof=1) / len(anomalous) + normal.var(ddof=1) / len(normal))
    error = math.sqrt(variance) if variance > 1e-30 else 0.0  # below is rounding
    p = math.erfc(abs(value) / error / math.sqrt(2)) if error else _least_p(value, len(labels))
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
    return Difference(value, error, max(value - reach, -1.0), min(value + reach, 1.0), p)


def mcnemar(wrong_a: np.ndarray, wrong_b: np.ndarray) -> Discordance:
    """Compare two methods' verdicts on the same pictures by McNemar's exact test.

    Of the pictures that only one method gets wrong, each is as likely to be a's as b's if the methods are equally good.
    Give the good pictures alone to compare false alarms, the defective ones alone to compare misses.

    Args:
        wrong_a: bool `(N,)`, where the verdict of method a is wrong.
        wrong_b: bool `(N,)`, of the same pictures in the same order.

    Raises:
        IadError: if the lengths differ.

    >>> mcnemar(np.array([True] * 6 + [False]), np.array([False] * 6 + [True]))
    Discordance(only_a=6, only_b=1, p=0.125)
    """
    wrong_a, wrong_b = np.asarray(wrong_a, dtype=bool), np.asarray(wrong_b, dtype=bool)
    if wrong_a.shape != wrong_b.shape:
        raise IadError(f"verdicts of {wrong_a.size} and of {wrong_b.size} pictures; a paired test needs the same ones")
    only_a, only_b = int((wrong_a & ~wrong_b).sum()), int((wrong_b & ~wrong_a).sum())
    return Discordance(only_a, only_b, _binomial_p(only_a, only_b))


def paired_bootstrap(
    samples_a: np.ndarray, samples_b: np.ndarray, *, value: float, confidence: float = 0.95
) -> Difference:
    """Compare any metric of two methods by their bootstrap draws.

    The p value is twice the share of draws in which the difference has the other sign or is 0, counting the test set
    itself as one more draw, so that it is never 0.

    Args:
        samples_a: float64 `(draws,)`, the metric of method a, from `iad.statistics.bootstrap.bootstrap_samples`.
        samples_b: float64 `(draws,)`, of method b with the same labels and seed, so that each draw pairs.
        value: the difference a - b on the test set itself.
        confidence: of the percentile interval, in (0, 1).

    Raises:
        IadError: if there is no draw, or the numbers of draws differ.

    >>> f1_a, f1_b = np.array([0.8, 0.9, 0.85, 0.7]), np.array([0.7, 0.8, 0.7, 0.75])  # the same four draws
    >>> found = paired_bootstrap(f1_a, f1_b, value=0.08)
    >>> found.p, round(found.low, 3), round(found.high, 3)  # one of the four has the other sign
    (0.8, -0.039, 0.146)
    """
    if len(samples_a) != len(samples_b) or len(samples_a) == 0:
        raise IadError(f"{len(samples_a)} and {len(samples_b)} bootstrap draws; give both methods the same number")
    differences = np.asarray(samples_a, dtype=np.float64) - np.asarray(samples_b, dtype=np.float64)
    tail = (1 - confidence) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    fewer = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    p = min(1.0, 2 * (1 + fewer) / (1 + len(differences)))
    return Difference(
        float(value), float(differences.std(ddof=min(1, len(differences) - 1))), float(low), float(high), p
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values so that calling those of at most alpha real errs anywhere in the family with at most alpha.

    Args:
        p_values: of the tests, in any order.

    Returns:
        Adjusted p values in the same order, each at least as large and at most 1.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda row: p_values[row])):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def _components(labels: np.ndarray, scores: np.ndarray, origin: str) -> tuple[np.ndarray, np.ndarray]:
    # V10: for each anomalous picture the share of normal ones below it; V01: for each normal one that of those above it
    rank(labels, scores, origin=f"scores of method {origin}")  # refuses what cannot be ranked
    is_anomalous, scores = np.asarray(labels) == 1, np.asarray(scores, dtype=np.float64)
    anomalous, normal = scores[is_anomalous], scores[~is_anomalous]
    below = _placement(anomalous, np.sort(normal)) / max(len(normal), 1)
    return below, 1 - _placement(normal, np.sort(anomalous)) / max(len(anomalous), 1)


def _placement(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    # others below each score, a tie counting one half: what the difference of two midranks is
    return (np.searchsorted(others, scores, side="left") + np.searchsorted(others, scores, side="right")) / 2


def _least_p(value: float, pictures: int) -> float:
    return math.ldexp(1.0, 1 - pictures) if abs(value) > 1e-12 else 1.0


def _binomial_p(first: int, second: int) -> float:
    # two-sided exact test of a fair coin: twice the lower tail, which the symmetry allows
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(first, second), first + second, 0.5)))
