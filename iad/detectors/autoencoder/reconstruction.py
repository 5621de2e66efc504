"""How badly the autoencoder rebuilds a picture, as the anomaly score.

The original study averages the squared error over the picture, which mostly measures how bright and how textured a part
is. Here the error may first be set against what good pictures show at the same place, as a one-sided z-score. On
aligned parts this separates defects far better; on parts that lie anywhere in the picture it brings nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

STD_FLOOR = 0.1  # of the mean deviation over the map: places that never vary must not rule the score


@dataclass(frozen=True)
class GoodErrors:
    """Mean and standard deviation of the error at each place over good pictures, float64 `(h, w)`."""

    mean: np.ndarray
    std: np.ndarray

    def excess(self, maps: np.ndarray) -> np.ndarray:
        """One-sided z-scores of error maps `(B, h, w)`: 0 where the error is no larger than usual.

        >>> good = GoodErrors(mean=np.array([[1.0, 1.0]]), std=np.array([[1.0, 1.0]]))  # divides by 1 + 0.1
        >>> good.excess(np.array([[[3.2, 0.0]]])).round(6).tolist()
        [[[2.0, 0.0]]]
        """
        scale = self.std + STD_FLOOR * self.std.mean() + np.finfo(np.float64).tiny
        return np.asarray(np.maximum((maps - self.mean) / scale, 0))


def cell_means(error_maps: Iterable[np.ndarray], cell: int) -> Iterator[np.ndarray]:
    """Average error maps over squares of `cell` pixels; squares at the right and lower edge may be smaller.

    Args:
        error_maps: batches, float32 `(B, H, W)`.
        cell: side of a square in pixels; 1 changes nothing.

    Yields:
        float64 `(B, ceil(H / cell), ceil(W / cell))`.

    >>> next(cell_means([np.float32([[[0, 2, 7]]])], 2)).tolist()
    [[[1.0, 7.0]]]
    """
    for batch in error_maps:
        sums = batch.astype(np.float64)
        for axis in (1, 2):
            sums = np.add.reduceat(sums, np.arange(0, sums.shape[axis], cell), axis=axis)
        yield sums / np.multiply.outer(_lengths(batch.shape[1], cell), _lengths(batch.shape[2], cell))


def good_errors(maps: Iterable[np.ndarray]) -> GoodErrors:
    """Statistics of error maps of good pictures, batches `(B, h, w)`, in one pass.

    >>> found = good_errors([np.float64([[[0.0, 5.0]], [[2.0, 5.0]]])])
    >>> found.mean.tolist(), found.std.tolist()
    ([[1.0, 5.0]], [[1.0, 0.0]])
    """
    count, total, squares = 0, np.zeros(()), np.zeros(())
    for batch in maps:
        count += len(batch)
        total = total + batch.sum(axis=0, dtype=np.float64)
        squares = squares + np.square(batch, dtype=np.float64).sum(axis=0)
    mean = total / count
    return GoodErrors(mean, np.sqrt(np.maximum(squares / count - mean**2, 0)))


def anomaly_maps(maps: Iterable[np.ndarray], good: GoodErrors | None) -> np.ndarray:
    """Gather error maps of pictures, batches `(B, h, w)`, as float32 `(N, h, w)`, higher = more anomalous.

    With `good`, what good pictures show, each map is the excess over it; None leaves the squared error.

    >>> errors = [np.float32([[[0, 3.2]]])]
    >>> anomaly_maps(errors, GoodErrors(np.ones((1, 2)), np.ones((1, 2)))).round(4).tolist()
    [[[0.0, 2.0]]]
    """
    largest = np.finfo(np.float32).max  # where good pictures show no error at all, an excess may be beyond the type
    found = [np.minimum(good.excess(batch) if good else batch, largest).astype(np.float32) for batch in maps]
    return np.concatenate(found) if found else np.empty((0, 1, 1), dtype=np.float32)


def _lengths(side: int, cell: int) -> np.ndarray:
    return np.diff(np.append(np.arange(0, side, cell), side))
