"""Rotated and flipped copies of pictures, for objects that lie in any direction.

Quarter turns move pixels and nothing else. Other angles are interpolated, and the corners that come from outside the
picture are filled by its reflection at the border: that is texture as good as the rest, where repeated border pixels
would put streaks, which scratches resemble, among what a bank takes for good. (torchvision's own rotation fills them
with one colour.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import torch
from torch.nn.functional import affine_grid, grid_sample
from torchvision.transforms.v2 import functional


@dataclass(frozen=True)
class Orientation:
    """How a picture is laid down: flipped left to right first, where it is, then rotated counterclockwise."""

    degrees: float
    flipped: bool

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """The picture in this orientation, uint8 `(S, S, 3)`.

        Args:
            picture: uint8 `(S, S, 3)`.

        >>> Orientation(90, flipped=False)(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))[0, 0].tolist()
        [3, 4, 5]
        """
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)  # (3, S, S)
        pixels = functional.horizontal_flip(pixels) if self.flipped else pixels
        pixels = rotate(pixels, self.degrees) if self.degrees % 90 else functional.rotate(pixels, self.degrees)
        return pixels.permute(1, 2, 0).contiguous().numpy()


def orientations(rotations: int, *, flip: bool) -> list[Orientation]:
    """So many directions evenly over the full turn, and with `flip` the same flipped; the first changes nothing.

    >>> [one.degrees for one in orientations(4, flip=False)]
    [0.0, 90.0, 180.0, 270.0]
    >>> [(one.degrees, one.flipped) for one in orientations(1, flip=True)]
    [(0.0, False), (0.0, True)]
    """
    return [Orientation(360 * number / rotations, flipped) for flipped in ((False, True) if flip else (False,))
            for number in range(rotations)]  # fmt: skip


def rotate(pixels: torch.Tensor, degrees: float) -> torch.Tensor:
    """Rotate a picture counterclockwise about its centre: bilinear, reflected at its borders.

    Args:
        pixels: uint8 `(3, S, S)`.
        degrees: any angle.

    Returns:
        uint8 `(3, S, S)`.

    >>> pixels = torch.arange(12, dtype=torch.uint8).view(3, 2, 2)
    >>> torch.equal(rotate(pixels, 90), torch.rot90(pixels, 1, (1, 2)))
    True
    """
    cosine, sine = float(np.cos(np.deg2rad(degrees))), float(np.sin(np.deg2rad(degrees)))
    # from locations here to locations there, (x, y)
    where = torch.tensor([[[cosine, -sine, 0.0], [sine, cosine, 0.0]]], dtype=torch.float32, device="cpu")
    given = pixels.contiguous().float()[None]  # (1, 3, S, S)
    grid = affine_grid(where, list(given.shape), align_corners=False)
    found = grid_sample(given, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return found[0].round().clamp(0, 255).to(torch.uint8)


class Oriented(Sequence[np.ndarray]):
    """Some pictures in one orientation, made when asked for: item i is uint8 `(S, S, 3)`.

    >>> pictures = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    >>> Oriented(pictures, np.array([1]), Orientation(180, flipped=False))[0][0, 0].tolist()
    [21, 22, 23]
    """

    def __init__(self, images: np.ndarray | Sequence[np.ndarray], rows: np.ndarray, orientation: Orientation) -> None:
        """Name the pictures: rows `(K,)` of images uint8 `(N, S, S, 3)`, which may be memory-mapped."""
        self.images, self.rows, self.orientation = images, rows, orientation

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, number: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[np.ndarray]: ...
    def __getitem__(self, number: int | slice) -> np.ndarray | Sequence[np.ndarray]:
        if isinstance(number, slice):
            return Oriented(self.images, self.rows[number], self.orientation)
        return self.orientation(self.images[self.rows[number]])
