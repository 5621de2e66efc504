"""What is kept of good patches: their number, sum and sum of products; and the directions in which they vary least."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

ROUNDING = 1e-12  # of the mean square of the features: what is left of it where all patches are the same


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over R patches x of D features.

    Attributes:
        rows: R.
        first: float64 `(D,)`, of x.
        second: float64 `(D, D)`, of x x'.
    """

    rows: int
    first: np.ndarray
    second: np.ndarray

    @classmethod
    def of(cls, patches: np.ndarray) -> Moments:
        """Of patches, float64 `(R, D)`.

        >>> found = Moments.of(np.array([[1.0, 2.0], [3.0, 0.0]]))
        >>> found.rows, found.first.tolist(), found.second.tolist()
        (2, [4.0, 2.0], [[10.0, 2.0], [2.0, 4.0]])
        """
        return cls(len(patches), patches.sum(axis=0), patches.T @ patches)

    def __add__(self, other: Moments) -> Moments:
        """Of the patches of both."""
        return Moments(self.rows + other.rows, self.first + other.first, self.second + other.second)

    def __sub__(self, other: Moments) -> Moments:
        """Of all patches but those, which are among these."""
        return Moments(self.rows - other.rows, self.first - other.first, self.second - other.second)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything but the number of rows, for `of_arrays`; of the symmetric `second` the lower half."""
        return {"first": self.first, "second": self.second[np.tril_indices(len(self.first))]}

    @classmethod
    def of_arrays(cls, rows: int, arrays: Mapping[str, np.ndarray]) -> Moments:
        """The moments whose `arrays` these are.

        Raises:
            ValueError: if there are no rows, or the arrays do not fit together.

        >>> some = Moments.of(np.arange(6.0).reshape(2, 3))
        >>> np.array_equal(Moments.of_arrays(2, some.arrays()).second, some.second)
        True
        """
        if rows < 1:
            raise ValueError(f"{rows} rows")
        features = len(arrays["first"])
        second = np.empty((features, features))
        row, column = np.tril_indices(features)
        second[row, column] = second[column, row] = arrays["second"]
        return cls(rows, arrays["first"], second)

    def outside(self, components: float) -> Outside:
        """The directions outside the subspace of the principal axes.

        Args:
            components: a share of the variance, in (0, 1), to be reached with as few axes as possible; or their number.

        Returns:
            One direction at least is left outside, whatever the share.

        >>> line = Moments.of(np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]))
        >>> outside = line.outside(1)
        >>> outside.distances(np.array([[9.0, 12.0], [-4.0, 3.0]])).round(6).tolist()
        [0.0, 5.0]
        """
        mean = self.first / self.rows
        variances, vectors = np.linalg.eigh(self.second / self.rows - np.outer(mean, mean))  # ascending
        summed = np.cumsum(np.maximum(variances[::-1], 0))
        reached = int(components) if components >= 1 else int(np.searchsorted(summed, components * summed[-1])) + 1
        left = max(len(mean) - reached, 1)
        rounding = ROUNDING * np.trace(self.second) / self.rows
        return Outside(mean, np.ascontiguousarray(vectors[:, :left].T), varies=bool(summed[-1] > rounding))


@dataclass(frozen=True, eq=False)
class Outside:
    """What does not vary among good patches.

    Attributes:
        mean: float64 `(D,)`.
        axes: orthonormal, float64 `(L, D)`: the directions of least variance, none of them in the subspace.
        varies: whether good patches differ at all, beyond rounding.
    """

    mean: np.ndarray
    axes: np.ndarray
    varies: bool

    @property
    def components(self) -> int:
        """How many axes the subspace has."""
        return len(self.mean) - len(self.axes)

    def distances(self, patches: np.ndarray) -> np.ndarray:
        """Distances float64 `(R,)` of patches, float64 `(R, D)`, to the subspace."""
        return np.asarray(np.linalg.norm((patches - self.mean) @ self.axes.T, axis=1))
