"""A Gaussian per place, from kept sums: distances to it, and distances as if a picture had not been fitted to.

With n pictures, the scatter of a place is T = sum (x - m)(x - m)', and every covariance here is s T + r I for some
numbers s and r. New pictures are measured through its Cholesky factor. Without a picture x that was fitted to, and with
u = x - m, the scatter is T - n / (n - 1) u u', a change of rank one, but s and r change too: in the eigenvectors of T
the covariance is diagonal whatever these are, and the formula of Sherman and Morrison (1950) gives the exact distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from iad.detectors.padim.moments import Moments
from iad.errors import IadError

ROUNDING = 1e-12  # of the mean square of the features: what is left of it where all pictures are the same


@dataclass(frozen=True, eq=False)
class Gaussians:
    """Gaussians of the good vectors at P places; d features.

    Attributes:
        kept: sums over the good pictures.
        shrinks: whether covariances are shrunk as Ledoit and Wolf do.
        epsilon: added to each variance, in units of the mean variance of all places and features.
    """

    kept: Moments
    shrinks: bool
    epsilon: float

    @cached_property
    def mean(self) -> np.ndarray:
        """Of the vectors at each place, float64 `(P, d)`."""
        return self.kept.first / self.kept.count

    @cached_property
    def variance(self) -> float:
        """The mean variance of all places and features; 0 where pictures differ by no more than rounding."""
        squares = np.einsum("pii->", self.kept.second) / self.kept.count
        found = float(squares - np.einsum("pd,pd->", self.mean, self.mean))
        return found / self.mean.size if found > ROUNDING * squares else 0.0

    @cached_property
    def whitening(self) -> np.ndarray:
        """What makes a covariance the identity, float32 `(P, d, d)`, to be multiplied by rows from the left.

        Raises:
            IadError: if a covariance has no inverse in double precision, as with a tiny `epsilon`.
        """
        scatter = self._scatter()
        trace, squares = np.einsum("pii->p", scatter), np.einsum("pij,pij->p", scatter, scatter)
        scale, added = self._covariance(self.kept.count, trace, squares, self._fourth)
        scatter *= scale[:, None, None]
        np.einsum("pii->pi", scatter)[:] += added[:, None]
        try:
            inverse = np.linalg.inv(np.linalg.cholesky(scatter))
        except np.linalg.LinAlgError:
            raise IadError("padim: a covariance has no inverse; raise padim.epsilon, or add good pictures") from None
        return np.ascontiguousarray(np.swapaxes(inverse, 1, 2), dtype=np.float32)

    def distances(self, vectors: np.ndarray) -> np.ndarray:
        """Mahalanobis distances of a picture, float32 `(P,)`, within some 1e-6 of those in double precision.

        Args:
            vectors: float64 `(P, d)`, as they were given to `Moments.of`.
        """
        moved = (vectors - self.mean).astype(np.float32)
        # picture by picture: the last digits of a product of more rows follow their number
        return np.asarray(np.linalg.norm((moved[:, None] @ self.whitening)[:, 0], axis=1))

    def distances_without(self, vectors: np.ndarray) -> np.ndarray:
        """The same, float64 `(P,)`, if the picture, which was fitted to, had not been; there are 3 or more pictures."""
        n, (eigenvalues, axes) = self.kept.count, self._eigen
        left, grown = n - 1, n / (n - 1)
        moved = vectors - self.mean
        along = np.einsum("pij,pi->pj", axes, moved)
        length, own = _dot(along, along), _dot(along, eigenvalues * along)  # u'u, u'Tu
        trace = eigenvalues.sum(axis=1)
        # |x - m|^4 about the mean of the others, m - u / (n - 1), and without the picture itself
        fourth = self._fourth + 4 * _dot(self._third, moved) / left + (4 * own + 2 * trace * length) / left**2
        fourth += n * (length / left**2) ** 2 - (grown**2 * length) ** 2
        squares = _dot(eigenvalues, eigenvalues) - 2 * grown * own + (grown * length) ** 2
        scale, added = self._covariance(left, trace - grown * length, squares, fourth)
        within = _dot(along, along / (scale[:, None] * eigenvalues + added[:, None]))
        return np.asarray(grown * np.sqrt(within / (1 - scale * grown * within)))

    def _scatter(self) -> np.ndarray:
        """T, float64 `(P, d, d)`, made anew."""
        return np.asarray(self.kept.second - self.kept.count * self.mean[:, :, None] * self.mean[:, None])

    @cached_property
    def _eigen(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues `(P, d)`, at least 0, and eigenvectors `(P, d, d)`, as columns, of the scatters."""
        values, vectors = np.linalg.eigh(self._scatter())
        return np.maximum(values, 0), vectors

    @cached_property
    def _third(self) -> np.ndarray:
        """Sums of |x - m|^2 (x - m), float64 `(P, d)`."""
        kept, length, trace = self.kept, _dot(self.mean, self.mean), np.einsum("pii->p", self.kept.second)
        pulled = (2 * kept.count * length - trace)[:, None] * self.mean
        return np.asarray(kept.third - 2 * self._doubled + pulled)

    @cached_property
    def _fourth(self) -> np.ndarray:
        """Sums of |x - m|^4, float64 `(P,)`."""
        kept, length, trace = self.kept, _dot(self.mean, self.mean), np.einsum("pii->p", self.kept.second)
        crossed = 4 * _dot(self._doubled, self.mean) - 4 * _dot(kept.third, self.mean)
        return np.asarray(np.maximum(kept.fourth + crossed + 2 * trace * length - 3 * kept.count * length**2, 0))

    @cached_property
    def _doubled(self) -> np.ndarray:
        """Sums of x x' m, float64 `(P, d)`."""
        return np.asarray(np.einsum("pij,pj->pi", self.kept.second, self.mean))

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
        apart = squares / n**2 - trace**2 / (n**2 * features)  # of the covariance from equal variances, squared
        noise = (fourth / n - squares / n**2) / n  # of the covariance itself
        share = np.clip(np.divide(noise, apart, out=np.zeros_like(noise), where=apart > 0), 0, 1)
        return (1 - share) / n, share * trace / (n * features) + floor


def _dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("pd,pd->p", one, other))
