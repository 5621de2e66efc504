"""Arrays on this machine's disk as a source of blocks."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from iad.engine import Block
from iad.io import open_array


class Columns:
    """Chosen rows of arrays; those that are whole `.npy` files, memory-mapped, are pickled as their path.

    Args:
        arrays: by the name of the column, an array `(N, ...)` and which of its rows, int64 `(K,)`.

    >>> column = Columns({"half": (np.array([0.0, 0.5, 1.0]), np.array([2, 0]))})
    >>> len(column), column.read(np.array([1]))["half"].tolist()
    (2, [0.0])
    """

    remote = False

    def __init__(self, arrays: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
        self.arrays = dict(arrays)

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values()))[1])

    @property
    def row_bytes(self) -> int:
        """Bytes of a row, all columns together."""
        return sum(array.itemsize * int(np.prod(array.shape[1:])) for array, _ in self.arrays.values())

    def read(self, rows: np.ndarray) -> Block:
        """The columns of these rows, copied."""
        return {name: np.ascontiguousarray(array[chosen[rows]]) for name, (array, chosen) in self.arrays.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        kept = {name: (_whole_file(array) or array, rows) for name, (array, rows) in self.arrays.items()}
        return _opened, (kept,)


def _whole_file(array: Any) -> Path | None:
    base: Any = getattr(array, "base", None)  # of a part of a mapped file, another array
    if not isinstance(array, np.memmap) or not isinstance(base, mmap.mmap):
        return None
    return Path(str(array.filename)).absolute()


def _opened(kept: Mapping[str, tuple[Path | np.ndarray, np.ndarray]]) -> Columns:
    return Columns(
        {name: (open_array(array) if isinstance(array, Path) else array, rows) for name, (array, rows) in kept.items()}
    )
