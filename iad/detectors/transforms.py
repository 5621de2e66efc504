"""Mean and deviation of each feature, and features scaled by them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

BLOCK_ROWS = 2048


@dataclass(frozen=True)
class Scaling:
    """What `standardize` subtracts and divides by.

    `mean` and `deviation` are float64 `(D,)`; a feature that never varies has deviation 1.
    """

    mean: np.ndarray
    deviation: np.ndarray

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Scale features `(n, D)` of any float type to float64 `(n, D)`, in standard deviations from the mean."""
        scaled: np.ndarray = features.astype(np.float64)
        scaled -= self.mean
        scaled /= self.deviation
        return scaled


def fit_scaling(features: np.ndarray) -> Scaling:
    """Take the mean and the deviation of each feature over the rows.

    Args:
        features: `(N, D)` of any float type; may be memory-mapped.

    >>> fit_scaling(np.array([[0.0, 7.0], [2.0, 7.0]])).apply(np.array([[4.0, 7.5]]))
    array([[3. , 0.5]])
    """
    n, dimensions = features.shape
    mean, variance = np.zeros(dimensions), np.zeros(dimensions)
    for block in blocks(features):
        mean += block.sum(axis=0) / n
    for block in blocks(features):
        variance += ((block - mean) ** 2).sum(axis=0) / n
    # the mean of a feature that never varies is off by some roundings: that is no variance to divide by
    varies = variance > (n * np.finfo(np.float64).eps * np.abs(mean)) ** 2
    return Scaling(mean, np.sqrt(variance, where=varies, out=np.ones(dimensions)))


def no_scaling(dimensions: int) -> Scaling:
    """Leave features as they are."""
    return Scaling(np.zeros(dimensions), np.ones(dimensions))


def blocks(features: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows of `(N, D)` features in float64, `BLOCK_ROWS` at a time, so that no copy of all is held."""
    for start in range(0, len(features), BLOCK_ROWS):
        yield features[start : start + BLOCK_ROWS].astype(np.float64)
