"""A Gaussian per place, from kept sums: distances to it, and distances as if a picture had not been fitted to.

With n pictures, the scatter T = sum (x - m)(x - m)' of a place has the eigenvectors V and eigenvalues t. Every
covariance here is s T + r I for some numbers s and r, so that its inverse is diagonal in V whatever these are. Without
picture x, and with u = x - m, the scatter is T - n / (n - 1) u u', a change of rank one: the formula of Sherman and
Morrison (1950) gives its distance exactly, from the coordinates z = V'u alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iad.detectors.padim.moments import Moments

ROUNDING = 1e-12  # of the mean square of the features: what is left of it where all pictures are the same


@dataclass(frozen=True, eq=False)
class Gaussians:
    """Gaussians of the good vectors at P places; d features.

    Attributes:
        count: n, of pictures.
        mean: float64 `(P, d)`.
        axes: float64 `(P, d, d)`: row i of a place is the eigenvector i of its scatter.
        scatter: float64 `(P, d)`: the eigenvalues, at least 0.
        third: float64 `(P, d)`: sums of |x - m|^2 (x - m), along the axes.
        fourth: float64 `(P,)`: sums of |x - m|^4.
        shrinks: whether covariances are shrunk as Ledoit and Wolf do.
        epsilon: added to each variance, in units of the mean variance of all places and features.
        varies: whether the pictures differ at all, beyond rounding.
    """

    count: int
    mean: np.ndarray
    axes: np.ndarray
    scatter: np.ndarray
    third: np.ndarray
    fourth: np.ndarray
    shrinks: bool
    epsilon: float
    varies: bool

    @classmethod
    def of(cls, kept: Moments, *, shrinks: bool, epsilon: float) -> Gaussians:
        """The Gaussians of kept sums."""
        n, mean = kept.count, kept.first / kept.count
        values, vectors = np.linalg.eigh(kept.second - n * mean[:, :, None] * mean[:, None])
        axes = np.ascontiguousarray(np.swapaxes(vectors, 1, 2))
        length, trace = _dot(mean, mean), np.einsum("pii->p", kept.second)
        doubled = np.einsum("pij,pj->pi", kept.second, mean)  # X X' m
        third = kept.third - 2 * doubled - trace[:, None] * mean + 2 * n * length[:, None] * mean
        fourth = kept.fourth + 4 * _dot(doubled, mean) - 4 * _dot(kept.third, mean) + 2 * trace * length
        fourth -= 3 * n * length**2  # of sum x = n m
        return cls(
            n, mean, axes, np.maximum(values, 0), _along(axes, third), np.maximum(fourth, 0), shrinks, epsilon,
            varies=bool(np.maximum(values, 0).sum() > ROUNDING * trace.sum()),
        )  # fmt: skip

    def variances(self) -> np.ndarray:
        """Along the axes of each place, float64 `(P, d)`, above 0 if anything varies."""
        scale, added = self._covariance(self.count, self.scatter.sum(1), _dot(self.scatter, self.scatter), self.fourth)
        return np.asarray(scale[:, None] * self.scatter + added[:, None])

    def distances(self, vectors: np.ndarray, variances: np.ndarray) -> np.ndarray:
        """Mahalanobis distances, float64 `(P,)`, of a picture's vectors, float64 `(P, d)`.

        Args:
            vectors: of one picture, as they were given to `Moments.of`.
            variances: as `variances` gives them.
        """
        along = _along(self.axes, vectors - self.mean)
        return np.asarray(np.sqrt(_dot(along, along / variances)))

    def distances_without(self, vectors: np.ndarray) -> np.ndarray:
        """The same, float64 `(P,)`, if the picture, which was fitted to, had not been; there are 3 or more pictures."""
        n = self.count
        left, grown = n - 1, n / (n - 1)
        along = _along(self.axes, vectors - self.mean)
        length, own = _dot(along, along), _dot(along, self.scatter * along)  # u'u, u'Tu
        trace = self.scatter.sum(1) - grown * length
        squares = _dot(self.scatter, self.scatter) - 2 * grown * own + (grown * length) ** 2
        scale, added = self._covariance(left, trace, squares, self._fourth_without(along, length, own))
        within = _dot(along, along / (scale[:, None] * self.scatter + added[:, None]))
        return np.asarray(grown * np.sqrt(within / (1 - scale * grown * within)))

    def _fourth_without(self, along: np.ndarray, length: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Sums of |x - m|^4 over the other pictures, about their own mean m - u / (n - 1)."""
        n, left = self.count, self.count - 1
        moved = 4 * _dot(self.third, along) / left + (4 * own + 2 * self.scatter.sum(1) * length) / left**2
        return np.asarray(self.fourth + moved + n * (length / left**2) ** 2 - (n / left) ** 4 * length**2)

    def _covariance(
        self, n: int, trace: np.ndarray, squares: np.ndarray, fourth: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scale s and added variance r, float64 `(P,)`, of the covariances s T + r I.

        Args:
            n: pictures.
            trace: float64 `(P,)`, of the scatter T.
            squares: float64 `(P,)`, sums of its squared elements.
            fourth: float64 `(P,)`, sums of |x - m|^4.
        """
        features = self.mean.shape[1]
        floor = self.epsilon * trace.mean() / (n * features)
        if not self.shrinks:
            return np.full(len(trace), 1 / (n - 1)), np.full(len(trace), floor)
        towards = trace / (n * features)
        apart = squares / n**2 - trace**2 / (n**2 * features)  # of the covariance from equal variances, squared
        noise = (fourth / n - squares / n**2) / n  # of the covariance itself
        share = np.clip(np.divide(noise, apart, out=np.zeros_like(noise), where=apart > 0), 0, 1)
        return (1 - share) / n, share * towards + floor


def _dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("pd,pd->p", one, other))


def _along(axes: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    # not by BLAS, whose last digits may follow the number of threads
    return np.asarray(np.einsum("pij,pj->pi", axes, vectors))
