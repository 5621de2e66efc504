"""Views of a picture that go through the network one by one: overlapping tiles, and rotated and flipped copies.

Tiles are for large pictures. Where two of them overlap, each patch takes the embedding of the tile whose centre is
nearest: that one sees most around it, and embeddings are neither mixed nor scaled again.

Rotated and flipped copies are for objects that lie in any direction. Quarter turns move pixels and nothing else. Other
angles are interpolated, and the corners that come from outside the picture are filled by its reflection at the border:
that is texture as good as the rest, where repeated border pixels would put streaks, which scratches resemble, among
what a bank takes for good. (torchvision's own rotation fills them with one colour.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import overload

import numpy as np
import torch
from torch.nn.functional import affine_grid, grid_sample

from iad.data.image_size import ImageSize
from iad.errors import IadError


@dataclass(frozen=True)
class Tiles:
    """Where the tiles of every picture lie. They are numbered through: picture by picture, in each line by line.

    Attributes:
        size: of a tile.
        tops: where tiles begin from above, in pixels, ascending.
        lefts: where they begin from the left, in pixels, ascending.
    """

    size: ImageSize
    tops: tuple[int, ...]
    lefts: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of tiles of one picture.

        >>> Tiles(ImageSize(64, 64), (0, 32, 64), (0, 32)).count
        6
        """
        return len(self.tops) * len(self.lefts)

    def cut(self, images: np.ndarray | Sequence[np.ndarray], start: int, most: int) -> np.ndarray:
        """Tiles from number `start` on, at most so many.

        Args:
            images: uint8 `(N, H, W, 3)`; each picture is read once.
            start: number of the first tile.
            most: number of tiles.

        Returns:
            uint8 `(B, *size, 3)`, a copy.

        >>> Tiles(ImageSize(64, 64), (0, 32), (0, 32)).cut(np.zeros((5, 96, 96, 3), np.uint8), 2, 8).shape
        (8, 64, 64, 3)
        """
        tiles, read, picture = [], -1, np.empty(0)
        for number in range(start, min(start + most, len(images) * self.count)):
            if number // self.count != read:
                read = number // self.count
                picture = images[read]
            row, column = divmod(number % self.count, len(self.lefts))
            top, left = self.tops[row], self.lefts[column]
            tiles.append(picture[top : top + self.size.height, left : left + self.size.width])
        return np.stack(tiles)

    def pool(self, parts: np.ndarray, start: int, pooled: np.ndarray) -> None:
        """Write the mean over each picture's tiles.

        Args:
            parts: float32 `(B, D)`, pooled embeddings of the tiles from number `start` on.
            start: number of the first tile. Calls must follow each other without a gap.
            pooled: float32 `(N, D)`, of the pictures; filled here.

        >>> pooled = np.empty((1, 1), np.float32)
        >>> Tiles(ImageSize(64, 64), (0, 32), (0, 32)).pool(np.float32([[1], [2], [3], [6]]), 0, pooled)
        >>> pooled
        array([[3.]], dtype=float32)
        """
        for number, part in enumerate(parts, start):
            if number % self.count:
                pooled[number // self.count] += part / self.count
            else:
                pooled[number // self.count] = part / self.count

    def stitch(self, parts: np.ndarray, start: int, patches: np.ndarray) -> None:
        """Write the patch embeddings that each tile answers for.

        Args:
            parts: `(B, h, w, D)`, of the tiles from number `start` on.
            start: number of the first tile.
            patches: `(N, H, W, D)`, of the pictures, on the grid that `grid` tells; filled here.

        >>> patches = np.empty((1, 3, 3, 1), int)
        >>> tiles, parts = Tiles(ImageSize(64, 64), (0, 32), (0, 32)), np.repeat([1, 2, 3, 4], 4).reshape(4, 2, 2, 1)
        >>> tiles.stitch(parts, 0, patches)
        >>> patches[0, :, :, 0].tolist()
        [[1, 2, 2], [3, 4, 4], [3, 4, 4]]
        """
        rows = _shares(self.tops, self.size.height, parts.shape[1])
        columns = _shares(self.lefts, self.size.width, parts.shape[2])
        for number, part in enumerate(parts, start):
            row, column = divmod(number % self.count, len(self.lefts))
            (to_row, from_row), (to_column, from_column) = rows[row], columns[column]
            patches[number // self.count, to_row, to_column] = part[from_row, from_column]

    def grid(self, patches: int) -> tuple[int, int]:
        """Rows and columns of patches of a whole picture, given those along a side of a square tile.

        >>> Tiles(ImageSize(448, 448), (0, 288, 576), (0,)).grid(28)
        (64, 28)
        """
        side = self.size.height
        return self.tops[-1] * patches // side + patches, self.lefts[-1] * patches // side + patches


def _shares(origins: Sequence[int], side: int, patches: int) -> list[tuple[slice, slice]]:
    """For each origin, the patches that its tile answers for: in the picture's grid, and in the tile's own."""
    firsts = [origin * patches // side for origin in origins]
    middles = [(first + after + patches) // 2 for first, after in pairwise(firsts)]  # between two tiles' centres
    borders = pairwise([0, *middles, firsts[-1] + patches])
    return [
        (slice(low, high), slice(low - first, high - first)) for first, (low, high) in zip(firsts, borders, strict=True)
    ]


def place_tiles(size: ImageSize, side: int, overlap: float, patches: int, *, section: str) -> Tiles:
    """Place as few tiles as the overlap allows, evenly, so that they cover a picture and meet its patch grid.

    Args:
        size: of the picture.
        side: of a tile in pixels.
        overlap: share of a tile's side that neighbours have in common at least, in [0, 1).
        patches: along a side of the grid of one tile; tiles begin on the borders of patches.
        section: of params.yaml, for refusals, as "resnet".

    Raises:
        IadError: if the tile is larger than the picture, or either is no whole number of patches.

    >>> place_tiles(ImageSize(1024, 448), 448, 0.25, 28, section="resnet").tops
    (0, 288, 576)
    """
    key = f"{section}.patches.tile = {side}"
    if side > size.short:
        raise IadError(f"{key}: larger than the picture ({size}); lower it, or raise preprocess.image_size")
    stride = max(1, round(side / patches))
    if side != stride * patches:
        raise IadError(f"{key}: must be a multiple of {stride} px, one patch; {_near(side, stride)}")
    if size.short % stride:
        near = _near(size.short, stride)
        raise IadError(f"preprocess.image_size = {size.short}: with {key} it must be a multiple of {stride}; {near}")
    if max(size) % stride:
        raise IadError(f"{size}: with {key} both must be multiples of {stride}; set preprocess.multiple to {stride}")
    furthest = max(1, int(patches * (1 - overlap) + 1e-9))  # in patches
    tops, lefts = (_origins(length // stride - patches, furthest, stride) for length in size)
    return Tiles(ImageSize(side, side), tops, lefts)


def _origins(rest: int, furthest: int, stride: int) -> tuple[int, ...]:
    """Where tiles begin, in pixels, given how many patches lie beyond the first and are at most between two."""
    steps = -(-rest // furthest)
    return tuple(stride * ((2 * step * rest + steps) // (2 * steps or 1)) for step in range(steps + 1))


@dataclass(frozen=True)
class Orientation:
    """How a picture is laid down: flipped left to right first, where it is, then rotated counterclockwise."""

    degrees: float
    flipped: bool

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """The picture in this orientation, uint8 `(H, W, 3)`.

        Args:
            picture: uint8 `(H, W, 3)`.

        >>> Orientation(90, flipped=False)(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))[0, 0].tolist()
        [3, 4, 5]
        """
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)  # (3, H, W)
        pixels = pixels.flip(2) if self.flipped else pixels
        turns, rest = divmod(self.degrees, 90)
        fits = not rest and (turns % 2 == 0 or pixels.shape[1] == pixels.shape[2])
        pixels = torch.rot90(pixels, int(turns), (1, 2)) if fits else rotate(pixels, self.degrees)
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
        pixels: uint8 `(3, H, W)`.
        degrees: any angle.

    Returns:
        uint8 `(3, H, W)`.

    >>> pixels = torch.arange(12, dtype=torch.uint8).view(3, 2, 2)
    >>> torch.equal(rotate(pixels, 90), torch.rot90(pixels, 1, (1, 2)))
    True
    """
    cosine, sine = float(np.cos(np.deg2rad(degrees))), float(np.sin(np.deg2rad(degrees)))
    # from locations here to locations there, (x, y)
    tall = pixels.shape[1] / pixels.shape[2]  # both sides count as 2 long there
    where = torch.tensor([[[cosine, -sine * tall, 0.0], [sine / tall, cosine, 0.0]]], dtype=torch.float32, device="cpu")
    given = pixels.contiguous().float()[None]  # (1, 3, H, W)
    grid = affine_grid(where, list(given.shape), align_corners=False)
    found = grid_sample(given, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return found[0].round().clamp(0, 255).to(torch.uint8)


class Oriented(Sequence[np.ndarray]):
    """Some pictures in one orientation, made when asked for: item i is uint8 `(H, W, 3)`.

    >>> pictures = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    >>> Oriented(pictures, np.array([1]), Orientation(180, flipped=False))[0][0, 0].tolist()
    [21, 22, 23]
    """

    def __init__(self, images: np.ndarray | Sequence[np.ndarray], rows: np.ndarray, orientation: Orientation) -> None:
        """Name the pictures: rows `(K,)` of images uint8 `(N, H, W, 3)`, which may be memory-mapped."""
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


def _near(side: int, stride: int) -> str:
    lower = max(side // stride, 1) * stride
    return f"take {lower} or {lower + stride}"
