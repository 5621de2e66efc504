"""What options are tried on: good pictures to compare with, others apart, and those again with painted defects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import Image

from iad.data.image_size import ImageSize
from iad.errors import IadError
from iad.progress import track
from iad.tune.defects import KINDS, paint

MOST_COMPARED, MOST_APART = 40, 24
FEWEST = 6


@dataclass(frozen=True, eq=False)
class Trial:
    """Pictures of one size.

    Attributes:
        compared: uint8 `(N, H, W, 3)`, good ones that make the memory bank.
        apart: uint8 `(M, H, W, 3)`, good ones that no bank holds.
        painted: uint8 `(K, M, H, W, 3)`, those apart, each with one defect of each of K kinds.
    """

    compared: np.ndarray
    apart: np.ndarray
    painted: np.ndarray

    @classmethod
    def of(cls, compared: np.ndarray, apart: np.ndarray, *, seed: int, region: np.ndarray | None = None) -> Self:
        """Paint the defects; the borrowed texture of each is that of the next picture apart.

        Args:
            compared: as `compared`.
            apart: as `apart`.
            seed: of all that is drawn.
            region: which pixels count, bool `(H, W)`, where defects lie; None: all do.

        >>> rng = np.random.default_rng(0)
        >>> good = rng.integers(0, 255, (5, 32, 32, 3), dtype=np.uint8)
        >>> Trial.of(good[:3], good[3:], seed=0).painted.shape
        (7, 2, 32, 32, 3)
        """
        painted = np.empty((len(KINDS), *apart.shape), np.uint8)
        for number in track(range(len(apart)), "painting defects"):
            other = apart[(number + 1) % len(apart)]
            for place, kind in enumerate(KINDS):
                rng = np.random.default_rng((seed, number, place))
                painted[place, number] = paint(apart[number], other, kind, rng, region)
        return cls(compared, apart, painted)

    def at(self, size: ImageSize) -> Self:
        """The same pictures at another size, all resized alike."""
        painted = resized(self.painted.reshape(-1, *self.apart.shape[1:]), size)
        return type(self)(
            resized(self.compared, size),
            resized(self.apart, size),
            painted.reshape(*self.painted.shape[:2], *size, 3),
        )


def draw_rows(groups: Sequence[str], *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which good pictures are compared with, and which stand apart, int64 each; a group lies on one side.

    Args:
        groups: of each good picture, N names; pictures that belong to no others have a name of their own.
        seed: of the draw.

    Raises:
        IadError: if the pictures, or the groups, are too few.

    >>> [len(rows) for rows in draw_rows([str(number) for number in range(12)], seed=0)]
    [8, 4]
    """
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < FEWEST:
        raise IadError(
            f"tune: {len(names)} good pictures that stand for themselves, and {FEWEST} are needed to keep some apart; "
            "add good pictures"
        )
    order = np.random.default_rng(seed).permutation(len(names))
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names))
    rows = np.argsort(place[group], kind="stable")
    apart = place[group[rows]] < max(2, min(MOST_APART, len(names) // 3))
    return np.sort(rows[~apart][:MOST_COMPARED]), np.sort(rows[apart][:MOST_APART])


def resized(pictures: np.ndarray, size: ImageSize) -> np.ndarray:
    """Pictures uint8 `(N, H, W, 3)` at another size; as they are where it is theirs."""
    if pictures.shape[1:3] == tuple(size):
        return pictures
    found = np.empty((len(pictures), *size, 3), np.uint8)
    for row, one in enumerate(pictures):
        found[row] = np.asarray(Image.fromarray(one).resize((size.width, size.height), Image.Resampling.BILINEAR))
    return found
