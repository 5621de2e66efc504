"""What is kept of good patches: sums up to the fourth power, one set per place of the picture.

Sums over pictures that join are added, so that pictures come in at any time without those before them. Powers up to the
second give mean and covariance; the shrinkage of Ledoit and Wolf (2004) needs the mean fourth power of a distance too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

FEWEST = 2  # pictures that have a variance


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over the vectors x of good pictures, at each of P places; d features.

    Attributes:
        count: how many pictures.
        first: float64 `(P, d)`, of x.
        second: float64 `(P, d, d)`, of x x'.
        third: float64 `(P, d)`, of |x|^2 x.
        fourth: float64 `(P,)`, of |x|^4.
    """

    count: int
    first: np.ndarray
    second: np.ndarray
    third: np.ndarray
    fourth: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray) -> Moments:
        """Of pictures, `(N, P, d)` of any float type.

        >>> found = Moments.of(np.array([[[1.0, 2.0]], [[3.0, 0.0]]]))
        >>> found.first.tolist(), found.second.tolist(), found.third.tolist(), found.fourth.tolist()
        ([[4.0, 2.0]], [[[10.0, 2.0], [2.0, 4.0]]], [[32.0, 10.0]], [106.0])
        """
        values = np.ascontiguousarray(np.swapaxes(vectors, 0, 1), dtype=np.float64)  # (P, N, d)
        squares = np.einsum("pnd,pnd->pn", values, values)
        return cls(
            count=len(vectors),
            first=values.sum(axis=1),
            second=np.swapaxes(values, 1, 2) @ values,
            third=np.einsum("pn,pnd->pd", squares, values),
            fourth=np.einsum("pn,pn->p", squares, squares),
        )

    def __add__(self, other: Moments) -> Moments:
        """Of the pictures of both."""
        return Moments(
            self.count + other.count, self.first + other.first, self.second + other.second, self.third + other.third,
            self.fourth + other.fourth,
        )  # fmt: skip

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything but the count, for `of_arrays`; of the symmetric `second` the lower half."""
        lower = np.tril_indices(self.first.shape[1])
        return {"first": self.first, "second": self.second[:, *lower], "third": self.third, "fourth": self.fourth}

    @classmethod
    def of_arrays(cls, count: int, arrays: Mapping[str, np.ndarray]) -> Moments:
        """The moments whose `arrays` these are.

        Raises:
            ValueError: if there are fewer than two pictures, or the arrays do not fit together.

        >>> some = Moments.of(np.arange(12.0).reshape(2, 2, 3))
        >>> np.array_equal(Moments.of_arrays(2, some.arrays()).second, some.second)
        True
        """
        if count < FEWEST:
            raise ValueError(f"{count} pictures")
        first = arrays["first"]
        second = np.empty((*first.shape, first.shape[1]))
        rows, columns = np.tril_indices(first.shape[1])
        second[:, rows, columns] = second[:, columns, rows] = arrays["second"]
        return cls(count, first, second, arrays["third"], arrays["fourth"])
