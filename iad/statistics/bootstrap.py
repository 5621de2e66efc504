"""Bootstrap intervals: how far a metric could lie from its estimate, given how few pictures there are.

Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13: percentile intervals. Pictures are drawn
with replacement inside each class, so that every draw keeps the class sizes (stratified). With the same labels and seed
every method gets the same draws, picture by picture, so that samples of two methods are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from iad.metrics.confusion import confusion
from iad.metrics.image import Ranking, auroc, auroc_of, average_precision_of, both_classes, f1_of, rank
from iad.statistics.exact import Interval, clopper_pearson, interval_from_rates, perfect_auroc_interval

CHUNK_WEIGHTS = 2_000_000  # draws x pictures held at once: 16 MB per int64 array


def bootstrap_intervals(
    labels: np.ndarray, scores: np.ndarray, rejected: np.ndarray, *, draws: int, confidence: float, seed: int
) -> dict[str, Interval]:
    """Intervals of every metric of `bootstrap_samples`, the verdict's threshold held fixed.

    They are percentile intervals of the bootstrap. Where none or all of a class is rejected, or the ranking is perfect,
    all draws agree and say nothing; they are then those of `iad.statistics.exact`. A perfect AP has none.

    Args:
        labels: int64 `(N,)`, 0 normal, 1 anomalous.
        scores: float64 `(N,)`, higher = more anomalous.
        rejected: bool `(N,)`, the verdict on each picture.
        draws: number of resampled test sets; 0 gives no interval.
        confidence: in (0, 1), for instance 0.95.
        seed: of the draws.

    Returns:
        An interval by name of metric. With pictures of one class only, that of its rate: recall or false-alarm rate.

    >>> labels, scores = np.array([0, 0, 0, 1, 1, 1]), np.array([0.1, 0.4, 0.2, 0.3, 0.8, 0.9])
    >>> found = bootstrap_intervals(labels, scores, scores >= 0.35, draws=200, confidence=0.9, seed=0)
    >>> found["auroc"].method, found["auroc"].high, found["recall"].high
    ('bootstrap', 1.0, 1.0)
    """
    if draws == 0:
        return {}
    samples = bootstrap_samples(labels, scores, rejected, draws=draws, seed=seed) if both_classes(labels) else {}
    return intervals_of(samples, labels, scores, rejected, confidence=confidence)


def intervals_of(
    samples: Mapping[str, np.ndarray],
    labels: np.ndarray,
    scores: np.ndarray,
    rejected: np.ndarray,
    *,
    confidence: float,
) -> dict[str, Interval]:
    """As `bootstrap_intervals`, from draws that are there already.

    Args:
        samples: result of `bootstrap_samples` for the same pictures; empty if they are of one class.
        labels: int64 `(N,)`, 0 normal, 1 anomalous.
        scores: float64 `(N,)`, higher = more anomalous.
        rejected: bool `(N,)`, the verdict on each picture.
        confidence: in (0, 1).

    >>> labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])  # a perfect ranking
    >>> draws = bootstrap_samples(labels, scores, scores >= 0.5, draws=50, seed=0)
    >>> intervals_of(draws, labels, scores, scores >= 0.5, confidence=0.95)["auroc"].method
    'disjoint_pairs'
    """
    found = {name: percentile_interval(values, confidence) for name, values in samples.items()}
    rates = _rate_intervals(labels, rejected, confidence)
    if not both_classes(labels):
        return rates
    if at_an_end := {name: rate for name, rate in rates.items() if rate.low == 0 or rate.high == 1}:
        functions = _functions_of_rates(labels).items()
        found |= at_an_end | {name: interval_from_rates(metric, **rates) for name, metric in functions}
    area = auroc(labels, scores)
    if area in (0.0, 1.0):
        positives = int(np.sum(np.asarray(labels) == 1))
        found["auroc"] = perfect_auroc_interval(area, positives, len(labels) - positives, confidence)
    if area == 1.0:
        del found["average_precision"]
    return found


def interval_of_rates(
    metric: Callable[[Any, Any], Any],
    samples: Mapping[str, np.ndarray],
    labels: np.ndarray,
    rejected: np.ndarray,
    *,
    confidence: float,
) -> Interval | None:
    """Interval of any function of recall and false-alarm rate, such as a cost, found as the others are.

    Args:
        metric: of recall and false-alarm rate, numbers or arrays; better as the first rises or the second falls.
        samples: result of `bootstrap_samples` for the same pictures.
        labels: int64 `(N,)`, 0 normal, 1 anomalous.
        rejected: bool `(N,)`, the verdict on each picture.
        confidence: in (0, 1).

    Returns:
        None without draws.

    >>> labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    >>> draws = bootstrap_samples(labels, scores, scores >= 0.5, draws=50, seed=0)
    >>> cost = interval_of_rates(
    ...     lambda recall, false_alarms: 10 * (1 - recall) + false_alarms, draws, labels, scores >= 0.5, confidence=0.95
    ... )
    >>> cost.low, round(cost.high, 2)  # no miss and no false alarm among two each says little
    (0.0, 9.26)
    """
    if not samples:
        return None
    rates = _rate_intervals(labels, rejected, confidence)
    if any(rate.low == 0 or rate.high == 1 for rate in rates.values()):
        return interval_from_rates(metric, **rates)
    return percentile_interval(metric(samples["recall"], samples["false_alarm_rate"]), confidence)


def bootstrap_samples(
    labels: np.ndarray, scores: np.ndarray, rejected: np.ndarray, *, draws: int, seed: int
) -> dict[str, np.ndarray]:
    """Compute metrics on resampled test sets, each float64 `(draws,)`.

    Args:
        labels: int64 `(N,)`, 0 normal, 1 anomalous; both must be there.
        scores: float64 `(N,)`, higher = more anomalous.
        rejected: bool `(N,)`, the verdict on each picture.
        draws: number of resampled test sets, at least 1.
        seed: of the draws.

    Returns:
        `auroc`, `average_precision`, `f1`, `precision`, `recall`, `false_alarm_rate` and `balanced_accuracy`.

    >>> labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.3, 0.9])
    >>> samples = bootstrap_samples(labels, scores, scores >= 0.35, draws=100, seed=0)
    >>> sorted(set(samples["recall"].tolist())), len(samples["auroc"])
    ([0.0, 0.5, 1.0], 100)
    """
    ranking = rank(labels, scores)
    verdicts = np.asarray(rejected, dtype=bool)[ranking.order]
    chunks = [
        _metrics(ranking, verdicts, weights[:, ranking.order])
        for weights in draw_weights(labels, draws=draws, seed=seed)
    ]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def draw_weights(labels: np.ndarray, *, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each picture is in each draw, int64 `(draws of the chunk, N)`, in the order of `labels`.

    The counts of each class follow a multinomial law and sum to the size of the class.

    Args:
        labels: int64 `(N,)`, 0 normal, 1 anomalous; both must be there.
        draws: number of resampled test sets, over all chunks.
        seed: of the draws.

    >>> (weights,) = draw_weights(np.array([0, 0, 0, 1, 1]), draws=4, seed=0)
    >>> weights[:, :3].sum(axis=1).tolist(), weights[:, 3:].sum(axis=1).tolist()
    ([3, 3, 3, 3], [2, 2, 2, 2])
    """
    generator = np.random.default_rng(seed)
    anomalous = np.asarray(labels) == 1
    size = max(1, CHUNK_WEIGHTS // len(anomalous))
    for start in range(0, draws, size):
        weights = np.empty((min(size, draws - start), len(anomalous)), dtype=np.int64)
        for members in (np.flatnonzero(anomalous), np.flatnonzero(~anomalous)):
            share = np.full(len(members), 1 / len(members))
            weights[:, members] = generator.multinomial(len(members), share, size=len(weights))
        yield weights


def percentile_interval(samples: np.ndarray, confidence: float) -> Interval:
    """Central interval that holds the share `confidence` of the samples, float64 `(draws,)`.

    >>> percentile_interval(np.arange(101.0), 0.5)
    Interval(low=25.0, high=75.0, method='bootstrap')
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return Interval(float(low), float(high), "bootstrap")


def _metrics(ranking: Ranking, rejected: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    counts = ranking.counts(weights)  # (draws, M)
    true_positives = weights[:, rejected & ranking.anomalous].sum(axis=1)
    false_positives = weights[:, rejected & ~ranking.anomalous].sum(axis=1)
    recall, false_alarm_rate = true_positives / counts.positives, false_positives / counts.negatives
    return {
        "auroc": auroc_of(counts),
        "average_precision": average_precision_of(counts),
        "f1": f1_of(true_positives, false_positives, counts.positives),
        "precision": true_positives / np.maximum(true_positives + false_positives, 1),
        "recall": recall,
        "false_alarm_rate": false_alarm_rate,
        "balanced_accuracy": (recall + 1 - false_alarm_rate) / 2,
    }


def _rate_intervals(labels: np.ndarray, rejected: np.ndarray, confidence: float) -> dict[str, Interval]:
    counted = confusion(labels, rejected)
    counts = {
        "recall": (counted.true_positives, counted.anomalous),
        "false_alarm_rate": (counted.false_positives, counted.normal),
    }
    return {name: clopper_pearson(of, total, confidence) for name, (of, total) in counts.items() if total}


def _functions_of_rates(labels: np.ndarray) -> dict[str, Callable[[float, float], float]]:
    positives = int(np.sum(np.asarray(labels) == 1))
    negatives = len(labels) - positives

    def precision(recall: float, false_alarm_rate: float) -> float:
        rejected = recall * positives + false_alarm_rate * negatives
        return recall * positives / rejected if rejected else 0.0

    def f1(recall: float, false_alarm_rate: float) -> float:
        return 2 * recall * positives / (recall * positives + false_alarm_rate * negatives + positives)

    def balanced_accuracy(recall: float, false_alarm_rate: float) -> float:
        return (recall + 1 - false_alarm_rate) / 2

    return {"precision": precision, "f1": f1, "balanced_accuracy": balanced_accuracy}
