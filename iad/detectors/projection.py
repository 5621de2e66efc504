"""Principal components of features: fewer numbers per picture, and what they leave unexplained.

Jolliffe, "Principal Component Analysis" (2002). The covariance is summed over blocks in float64, so that a bank of any
length fits memory; its eigenvectors are the components.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from iad.detectors.scaling import blocks
from iad.errors import IadError

Place: TypeAlias = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Projection:
    """An affine subspace: `mean` float64 `(D,)` and orthonormal `axes` float64 `(C, D)`, the widest first.

    `explained` is the share of the variance that lies in it, in [0, 1]. `place` is what became of features first.
    """

    mean: np.ndarray
    axes: np.ndarray
    explained: float
    place: Place

    def project(self, features: np.ndarray) -> np.ndarray:
        """Coordinates float64 `(n, C)` of features `(n, D)`, in the unit of placed features."""
        parts = [(self.place(block) - self.mean) @ self.axes.T for block in blocks(features)]
        return np.concatenate([np.empty((0, len(self.axes))), *parts])

    def residual(self, features: np.ndarray) -> np.ndarray:
        """Euclidean distance float64 `(n,)` of features `(n, D)` to the subspace, in the unit of placed features."""
        distances = [np.empty(0)]
        for block in blocks(features):
            centred = self.place(block) - self.mean
            distances.append(np.linalg.norm(centred - (centred @ self.axes.T) @ self.axes, axis=1))
        return np.concatenate(distances)


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
    if most < max(components, 1):
        raise IadError(
            f"{name} = {components:g}: {n} good pictures with {dimensions} features have {most} principal components; "
            "take fewer, or a share below 1, or add good pictures"
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


def _shares(variances: np.ndarray) -> np.ndarray:
    # rounding leaves tiny negative eigenvalues where the rank is less than D
    summed = np.cumsum(np.maximum(variances, 0))
    return np.asarray(summed / summed[-1] if summed[-1] > 0 else np.ones(len(summed)))
