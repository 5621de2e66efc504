"""Turned and mirrored copies of pictures, for objects that lie in any direction.

Quarter turns move pixels and nothing else. Other angles are interpolated, and the corners that come from outside the
picture are filled by its reflection at the border: that is texture as good as the rest, where repeated border pixels
would put streaks, which scratches resemble, among what a bank takes for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import torch
from torch.nn import functional


@dataclass(frozen=True)
class Orientation:
    """How a picture is laid down: mirrored left to right first, where it is, then turned counterclockwise."""

    degrees: float
    mirrored: bool

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """The picture in this orientation, uint8 `(S, S, 3)`.

        Args:
            picture: uint8 `(S, S, 3)`.

        >>> Orientation(90, mirrored=False)(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))[0, 0].tolist()
        [3, 4, 5]
        """
        laid = picture[:, ::-1] if self.mirrored else picture
        quarters, rest = divmod(self.degrees, 90)
        if not rest:
            return np.ascontiguousarray(np.rot90(laid, int(quarters)))
        return turned(laid, self.degrees)


def orientations(turns: int, *, mirror: bool) -> list[Orientation]:
    """So many directions evenly over the full turn, and with `mirror` the same mirrored; the first changes nothing.

    >>> [one.degrees for one in orientations(4, mirror=False)]
    [0.0, 90.0, 180.0, 270.0]
    """
    return [Orientation(360 * turn / turns, flip) for flip in ((False, True) if mirror else (False,))
            for turn in range(turns)]  # fmt: skip


def turned(picture: np.ndarray, degrees: float) -> np.ndarray:
    """Turn a picture counterclockwise about its centre: bilinear, reflected at its borders.

    Args:
        picture: uint8 `(S, S, 3)`.
        degrees: any angle.

    Returns:
        uint8 `(S, S, 3)`.
    """
    cosine, sine = float(np.cos(np.deg2rad(degrees))), float(np.sin(np.deg2rad(degrees)))
    where = torch.tensor([[[cosine, -sine, 0.0], [sine, cosine, 0.0]]])  # from places here to places there, (x, y)
    pixels = torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32))[None]  # (1, 3, S, S)
    places = functional.affine_grid(where, list(pixels.shape), align_corners=False)
    found = functional.grid_sample(pixels, places, mode="bilinear", padding_mode="reflection", align_corners=False)
    return found[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()


class Turned(Sequence[np.ndarray]):
    """Some pictures in one orientation, made when asked for: item i is uint8 `(S, S, 3)`."""

    def __init__(self, images: np.ndarray, rows: np.ndarray, orientation: Orientation) -> None:
        """Name the pictures: rows `(K,)` of images uint8 `(N, S, S, 3)`, which may be memory-mapped."""
        self.images, self.rows, self.orientation = images, rows, orientation

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[np.ndarray]: ...
    def __getitem__(self, place: int | slice) -> np.ndarray | Sequence[np.ndarray]:
        if isinstance(place, slice):
            return Turned(self.images, self.rows[place], self.orientation)
        return self.orientation(self.images[self.rows[place]])
