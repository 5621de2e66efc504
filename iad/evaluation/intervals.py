"""Bootstrap intervals: how far a metric could lie from its estimate, given how few pictures there are.

Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13: percentile intervals. Pictures are drawn
with replacement inside each class, so that every draw keeps the class sizes (stratified). With the same labels and seed
every method gets the same draws, picture by picture, so that samples of two methods are paired.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from iad.evaluation.metrics import Ranking, auroc_of, average_precision_of, both_classes, f1_of, rank

CHUNK_WEIGHTS = 2_000_000  # draws x pictures held at once: 16 MB per int64 array


@dataclass(frozen=True)
class Interval:
    """A percentile interval, low <= high."""

    low: float
    high: float


def bootstrap_intervals(
    labels: np.ndarray, scores: np.ndarray, rejected: np.ndarray, *, draws: int, confidence: float, seed: int
) -> dict[str, Interval]:
    """Percentile intervals of `auroc`, `average_precision` and `f1`, the verdict's threshold held fixed.

    A perfect metric stays perfect in every draw, so its interval has no width; that says less than it seems to.

    Args:
        labels: int64 `(N,)`, 0 normal, 1 anomalous.
        scores: float64 `(N,)`, higher = more anomalous.
        rejected: bool `(N,)`, the verdict on each picture.
        draws: number of resampled test sets; 0 gives no interval.
        confidence: in (0, 1), for instance 0.95.
        seed: of the draws.

    Returns:
        An interval by name of metric; none at all unless both classes are there.
    """
    if draws == 0 or not both_classes(labels):
        return {}
    samples = bootstrap_samples(labels, scores, rejected, draws=draws, seed=seed)
    return {name: percentile_interval(values, confidence) for name, values in samples.items()}


def bootstrap_samples(
    labels: np.ndarray, scores: np.ndarray, rejected: np.ndarray, *, draws: int, seed: int
) -> dict[str, np.ndarray]:
    """Compute `auroc`, `average_precision` and `f1` on resampled test sets, each float64 `(draws,)`.

    Args:
        labels: int64 `(N,)`, 0 normal, 1 anomalous; both must be there.
        scores: float64 `(N,)`, higher = more anomalous.
        rejected: bool `(N,)`, the verdict on each picture.
        draws: number of resampled test sets, at least 1.
        seed: of the draws.
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
    Interval(low=25.0, high=75.0)
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return Interval(float(low), float(high))


def _metrics(ranking: Ranking, rejected: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    counts = ranking.counts(weights)  # (draws, M)
    true_positives = weights[:, rejected & ranking.anomalous].sum(axis=1)
    false_positives = weights[:, rejected & ~ranking.anomalous].sum(axis=1)
    return {
        "auroc": auroc_of(counts),
        "average_precision": average_precision_of(counts),
        "f1": f1_of(true_positives, false_positives, counts.positives),
    }
