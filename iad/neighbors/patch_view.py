"""Patches of chosen pictures, read where they are stored and only when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch

from iad.errors import IadError
from iad.neighbors.vectors import without_copy

CHUNK = 8192  # rows converted at once


class PatchView:
    """What `array[pictures]` holds, without the copy: a bank may be larger than the memory.

    Its rows are the patches, picture after picture. A picture's own patches come first, those of its copies follow, so
    that one range of rows is all that a picture brings.

    Args:
        array: float16 or float32 `(N, h, w, D)`; may be memory-mapped, and is never written to.
        pictures: int64 `(n,)`, numbers of the pictures wanted; None for all, in their order.
        copies: float16 or float32 `(n, c, h, w, D)`: c further versions of each picture wanted (turned ones, say), in
            the order of `pictures`; None for none.
        counting: int64 `(P,)`, the only places of `h * w` that count, of every version; None for all.

    Attributes:
        shape: `(n, (1 + c) * h, w, D)`; where some places count, these are a line: `(n, 1 + c, P, D)`.

    Raises:
        IadError: if the arrays are of another type or do not fit together.

    >>> patches, copies = np.zeros((9, 4, 4, 8), np.float16), np.zeros((2, 3, 4, 4, 8), np.float16)
    >>> view = PatchView(patches, np.array([7, 2]), copies=copies)
    >>> view.shape, view.rows, view.read(100, 200).shape
    ((2, 16, 4, 8), 128, torch.Size([28, 8]))
    """

    def __init__(
        self, array: np.ndarray, pictures: np.ndarray | None = None, *, copies: np.ndarray | None = None,
        counting: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        numbers = np.arange(len(array)) if pictures is None else pictures
        parts = [(array, numbers)] + ([] if copies is None else [(copies, np.arange(len(numbers)))])
        for part, _ in parts:
            if part.dtype not in (np.float16, np.float32):
                raise IadError(f"bank: {part.dtype} of the shape {part.shape}; give float16 or float32")
        if copies is not None and (len(copies) != len(numbers) or copies.shape[2:] != array.shape[1:]):
            raise IadError(
                f"copies of the shape {copies.shape} do not fit {len(numbers)} pictures of {array.shape[1:]}"
            )
        _, height, width, length = array.shape
        versions, stored = 1 if copies is None else 1 + copies.shape[1], height * width
        if counting is not None:
            height, width = 1, len(counting)
        self.shape: tuple[int, int, int, int] = (len(numbers), versions * height, width, length)
        self.arrays = [part for part, _ in parts]
        self.numbers = [torch.from_numpy(np.array(chosen, dtype=np.int64)) for _, chosen in parts]
        self.flat = [without_copy(np.ascontiguousarray(part.reshape(-1, length))) for part, _ in parts]
        self.stored = [math.prod(part.shape[1:-1]) for part, _ in parts]  # patches of a picture that each holds
        self.sizes = [many // max(stored, 1) * height * width for many in self.stored]  # that each brings to one
        self.places = [_each_version(counting, many, stored) for many in self.stored]
        self.whole = pictures is None and copies is None and counting is None

    def __len__(self) -> int:
        """Number of pictures."""
        return self.shape[0]

    def __getitem__(self, picture: int) -> np.ndarray:
        """Patches of one picture, float16 or float32 `((1 + c) * h, w, D)`."""
        width, length = self.shape[2:]
        found = [
            array[int(numbers[picture])].reshape(-1, length)[_inside(places)].reshape(-1, width, length)
            for array, numbers, places in zip(self.arrays, self.numbers, self.places, strict=True)
        ]
        return found[0] if len(found) == 1 else np.concatenate(found)

    @property
    def rows(self) -> int:
        """Number of patches."""
        return self.shape[0] * self.per_picture

    @property
    def per_picture(self) -> int:
        """Patches of a picture, those of its copies among them."""
        return self.shape[1] * self.shape[2]

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Rows `start` up to, but without, `stop` (or the last), float32 `(n, D)`; never to be written to.

        >>> view = PatchView(np.arange(8, dtype=np.float16).reshape(4, 2, 1, 1), np.array([3, 0]))
        >>> view.read(1, 4).flatten().tolist()  # the second patch of picture 3, both of picture 0
        [7.0, 0.0, 1.0]
        """
        if self.whole:
            return self.flat[0][start:stop].float()
        stop = min(stop, self.rows)
        found = torch.empty(stop - start, self.shape[3], dtype=torch.float32, device="cpu")
        for picture in range(start // self.per_picture, -(-stop // self.per_picture)):
            first = picture * self.per_picture
            for flat, numbers, stored, size, places in self._parts():
                low, high = max(start, first), min(stop, first + size)
                if low < high:
                    own, wanted = flat[int(numbers[picture]) * stored :], slice(low - first, high - first)
                    found[low - start : high - start] = own[wanted if places is None else places[wanted]]
                first += size
        return found

    def take(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows by number, int64 `(n,)`: float32 `(n, D)`.

        >>> view = PatchView(np.arange(8, dtype=np.float16).reshape(4, 2, 1, 1), np.array([3, 0]))
        >>> view.take(torch.tensor([2, 1])).flatten().tolist()
        [0.0, 7.0]
        """
        if self.whole:
            return self.flat[0][rows].float()
        picture, inside = rows // self.per_picture, rows % self.per_picture
        taken = torch.empty(len(rows), self.shape[3], dtype=torch.float32, device="cpu")
        first = 0
        for flat, numbers, stored, size, places in self._parts():
            mine = torch.nonzero((inside >= first) & (inside < first + size))[:, 0]
            where = inside[mine] - first
            taken[mine] = flat[numbers[picture[mine]] * stored + (where if places is None else places[where])].float()
            first += size
        return taken

    def gather(self, rows: np.ndarray | None = None) -> np.ndarray:
        """The rows wanted, or all, float32 `(n, D)`, in memory; what is there already in that form is not copied.

        >>> view = PatchView(np.arange(8, dtype=np.float16).reshape(4, 2, 1, 1), np.array([3, 0]))
        >>> view.gather().ravel().tolist(), view.gather(np.array([2])).ravel().tolist()
        ([6.0, 7.0, 0.0, 1.0], [0.0])
        """
        if rows is None and self.whole and self.flat[0].dtype == torch.float32:
            return self.flat[0].numpy()
        size = self.rows if rows is None else len(rows)
        gathered = np.empty((size, self.shape[3]), dtype=np.float32)
        for start in range(0, size, CHUNK):
            stop = start + CHUNK
            found = self.read(start, stop) if rows is None else self.take(torch.from_numpy(rows[start:stop]))
            gathered[start:stop] = found.numpy()
        return gathered

    def _parts(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, int, int, torch.Tensor | None]]:
        """Of the pictures and of their copies: all patches, which are wanted, how many of each are there and count."""
        return zip(self.flat, self.numbers, self.stored, self.sizes, self.places, strict=True)


def _each_version(counting: np.ndarray | None, many: int, stored: int) -> torch.Tensor | None:
    """The places that count of each version of a picture, int64 `(c * P,)`, among all its `many`; None for all."""
    if counting is None:
        return None
    starts = np.arange(0, many, stored)
    return torch.from_numpy((starts[:, None] + counting).ravel())


def _inside(places: torch.Tensor | None) -> slice | np.ndarray:
    return slice(None) if places is None else places.numpy()
