"""Embeddings scaled by their mean and deviation, or projected onto their principal components.

Both are summed over blocks in float64, so that a set of any length fits memory. scikit-learn's `StandardScaler` and
`PCA` are not used: the first updates its sums batch by batch, the second holds all rows at once, and either gives
other last digits than one pass over blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from iad.detectors.base import State
from iad.errors import IadError
from iad.words import counted

BLOCK_ROWS = 2048

Place: TypeAlias = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Scaling:
    """What `standardize` subtracts and divides by.

    `mean` and `deviation` are float64 `(D,)`; a feature that never varies has deviation 1.
    """

    mean: np.ndarray
    deviation: np.ndarray

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Scale features `(n, D)` of any float type to float64 `(n, D)`, in standard deviations from the mean.

        >>> Scaling(mean=np.array([10.0]), deviation=np.array([2.0])).apply(np.array([[16.0]]))
        array([[3.]])
        """
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
    """Leave features as they are.

    >>> no_scaling(2).apply(np.array([[3, 4]]))
    array([[3., 4.]])
    """
    return Scaling(np.zeros(dimensions), np.ones(dimensions))


def blocks(features: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows of `(N, D)` features in float64, `BLOCK_ROWS` at a time, so that no copy of all is held.

    >>> [len(block) for block in blocks(np.zeros((5000, 1)))]
    [2048, 2048, 904]
    """
    for start in range(0, len(features), BLOCK_ROWS):
        yield features[start : start + BLOCK_ROWS].astype(np.float64)


def products(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Product of each row `(n, D)` with each row of a matrix `(C, D)`, float64 `(n, C)`.

    A row's products are the same to the bit whatever rows stand beside it. BLAS is faster, but orders its sums by the
    shape of both matrices and by the number of threads, so that the last digits of a picture would follow its company.

    >>> products(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]))
    array([[11.,  2.]])
    """
    found: np.ndarray = np.einsum("nd,cd->nc", np.ascontiguousarray(rows), np.ascontiguousarray(matrix))
    return found


@dataclass(frozen=True)
class Projection:
    """An affine subspace of the widest directions (Jolliffe, "Principal Component Analysis", 2002).

    Attributes:
        mean: float64 `(D,)`.
        axes: orthonormal, float64 `(C, D)`, the widest first.
        explained: share of the variance that lies in it, in [0, 1].
        place: what became of features first.
    """

    mean: np.ndarray
    axes: np.ndarray
    explained: float
    place: Place

    def state(self) -> State:
        """Everything but `place`, for `projection_of`."""
        return State(
            {"projection.mean": self.mean, "projection.axes": self.axes}, {"projection.explained": self.explained}
        )

    def project(self, features: np.ndarray) -> np.ndarray:
        """Coordinates float64 `(n, C)` of features `(n, D)`, in the unit of placed features.

        >>> diagonal = Projection(np.zeros(2), np.array([[0.6, 0.8]]), 1.0, place=np.asarray)
        >>> diagonal.project(np.array([[3.0, 4.0], [-4.0, 3.0]])).round(6).tolist()
        [[5.0], [0.0]]
        """
        parts = [products(self.place(block) - self.mean, self.axes) for block in blocks(features)]
        return np.concatenate([np.empty((0, len(self.axes))), *parts])

    def residual(self, features: np.ndarray) -> np.ndarray:
        """Euclidean distance float64 `(n,)` of features `(n, D)` to the subspace, in the unit of placed features.

        >>> diagonal = Projection(np.zeros(2), np.array([[0.6, 0.8]]), 1.0, place=np.asarray)
        >>> diagonal.residual(np.array([[3.0, 4.0], [-4.0, 3.0]])).round(6).tolist()
        [0.0, 5.0]
        """
        distances = [np.empty(0)]
        for block in blocks(features):
            centred = self.place(block) - self.mean
            within = products(products(centred, self.axes), self.axes.T)
            distances.append(np.linalg.norm(centred - within, axis=1))
        return np.concatenate(distances)


def projection_of(state: State, *, place: Place = np.asarray) -> Projection:
    """The projection whose `state` this is; `place` is what becomes of features first.

    >>> first = Projection(np.zeros(2), np.array([[1.0, 0.0]]), 1.0, place=np.asarray)
    >>> projection_of(first.state()).project(np.array([[3.0, 4.0]]))
    array([[3.]])
    """
    arrays = state.arrays
    return Projection(arrays["projection.mean"], arrays["projection.axes"], state.values["projection.explained"], place)


def fit_projection(features: np.ndarray, components: float, *, name: str, place: Place = np.asarray) -> Projection:
    """Find the principal components of features.

    Args:
        features: `(N, D)` of any float type; may be memory-mapped.
        components: a share of the variance, in (0, 1), to be reached with as few components as possible; or their
            number, 1 or more.
        name: of the parameter that holds `components`; a refusal begins with it.
        place: what to do with features first, from float64 `(n, D)` to float64 `(n, D)`.

    Raises:
        IadError: if there are fewer directions than components: at most D, and at most N - 1.

    >>> line = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    >>> round(float(fit_projection(line, 1, name="pca").residual(np.array([[2.0, 0.0]]))[0]), 6)
    1.414214
    """
    n, dimensions = features.shape
    most = min(n - 1, dimensions)
    if most < (wanted := max(components, 1)):
        fewer = [f"set it to {most} or less"] if most else []
        more = [f"add good pictures: it takes {wanted + 1:g} at least"] if wanted <= dimensions else []
        raise IadError(
            f"{name} = {components:g}: {counted(n, 'good picture')} with {counted(dimensions, 'feature')} "
            f"give {counted(most, 'principal component')}; "
            f"{', or '.join(fewer + more)}"
        )
    mean, covariance = np.zeros(dimensions), np.zeros((dimensions, dimensions))
    for block in blocks(features):
        mean += place(block).sum(axis=0) / n
    for block in blocks(features):
        centred = place(block) - mean
        covariance += centred.T @ centred / n
    variances, vectors = np.linalg.eigh(covariance)  # ascending
    shares = _shares(variances[::-1][:most])
    count = int(components) if components >= 1 else int(np.argmax(shares >= components)) + 1
    return Projection(mean, np.ascontiguousarray(vectors[:, ::-1][:, :count].T), float(shares[count - 1]), place)


def whole(components: float) -> int:
    """Components asked for by their number; 0 where they are a share of the variance, which any pictures have.

    >>> whole(12), whole(0.99)
    (12, 0)
    """
    return int(components) if components >= 1 else 0


def _shares(variances: np.ndarray) -> np.ndarray:
    # rounding leaves tiny negative eigenvalues where the rank is less than D
    summed = np.cumsum(np.maximum(variances, 0))
    return np.asarray(summed / summed[-1] if summed[-1] > 0 else np.ones(len(summed)))
