"""Chosen rows of something that is too large to copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np


class RowView(Sequence[Any]):
    """What `array[rows]` holds, without the copy: item i is `array[rows[i]]`, read when asked for.

    Args:
        array: of N rows; may be memory-mapped, or any sequence that makes its items when asked.
        rows: int64 `(M,)`, which of them.

    >>> view = RowView(np.array([[1, 2], [3, 4], [5, 6]]), np.array([2, 0]))
    >>> view.shape, np.asarray(view).tolist()
    ((2, 2), [[5, 6], [1, 2]])
    """

    def __init__(self, array: np.ndarray | Sequence[Any], rows: np.ndarray) -> None:
        self.array, self.rows = array, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: Any) -> Any:
        return self.array[self.rows[place]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:  # NumPy's signature
        return np.asarray(self[:], dtype=dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """As the copy would have it; `array` must be an array."""
        return (len(self.rows), *np.shape(self.array)[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of `array`, which must be one."""
        return np.asarray(self.array[:0]).dtype


Rows: TypeAlias = np.ndarray | RowView
"""An array with a row per picture, or chosen rows of one."""


def take(part: Rows, rows: np.ndarray) -> RowView:
    """Rows, int64 `(M,)` or bool `(N,)`, of an array or of a view; a view of the same array.

    >>> array = np.array([[1, 2], [3, 4], [5, 6]])
    >>> np.asarray(take(take(array, np.array([2, 0])), np.array([1]))).tolist()  # a view of a view
    [[1, 2]]
    """
    if isinstance(part, RowView):
        return RowView(part.array, part.rows[rows])
    return RowView(part, np.arange(len(part))[rows])
