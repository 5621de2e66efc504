"""Patches of a memory bank apart from any search: what banks are joined of, and taken apart into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Part:
    """Patches kept of good pictures.

    Attributes:
        patches: float16 or float32 `(R, D)`.
        rows: int64 `(R,)`, ascending: where each was among all patches of the pictures.
        pictures: how many there are.
    """

    patches: np.ndarray
    rows: np.ndarray
    pictures: int

    def only(self, chosen: np.ndarray) -> Part:
        """Some of its patches, by int64 `(K,)`, ascending."""
        return Part(self.patches[chosen], self.rows[chosen], self.pictures)

    def without(self, keep: np.ndarray, per_picture: int) -> Part:
        """Those of the pictures for which `keep`, bool `(pictures,)`, is True.

        >>> part = Part(np.float32([[1], [2], [3]]), np.array([0, 2, 5]), 3)  # of pictures of two patches
        >>> left = part.without(np.array([False, True, True]), 2)
        >>> left.patches.ravel().tolist(), left.rows.tolist(), left.pictures
        ([2.0, 3.0], [0, 3], 2)
        """
        picture, inside = np.divmod(self.rows, per_picture)
        stays, number = keep[picture], np.cumsum(keep) - 1
        return Part(self.patches[stays], number[picture[stays]] * per_picture + inside[stays], int(keep.sum()))


def joined(parts: Sequence[Part], per_picture: int) -> Part:
    """All of them, the pictures of each after those before it.

    >>> one = Part(np.float32([[1]]), np.array([1]), 2)  # of two pictures of two patches
    >>> both = joined([one, one], 2)
    >>> both.rows.tolist(), both.pictures
    ([1, 5], 4)
    """
    before = np.cumsum([0, *(part.pictures for part in parts)])
    rows = [part.rows + first * per_picture for part, first in zip(parts, before[:-1], strict=True)]
    return Part(np.concatenate([part.patches for part in parts]), np.concatenate(rows), int(before[-1]))
