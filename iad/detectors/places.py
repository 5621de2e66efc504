"""Which places of a grid count, where a region of interest was drawn: the others are in no bank, no score and no map.

A detector sees the places that count as one line of them, `(N, 1, P, D)` in place of `(N, h, w, D)`, and so needs to
know nothing else; its maps are spread over the grid again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from iad.detectors.base import Prediction
from iad.detectors.embeddings import Embeddings, required
from iad.errors import IadError
from iad.neighbors.rows import Rows, RowView

KEY = "places"  # of the array in a state


class Line(RowView):
    """The places that count of chosen pictures, read when asked for: item i is `(..., 1, P, D)`.

    Args:
        rows: float `(N, ..., h, w, D)`; may be memory-mapped, or a view.
        numbers: int64 `(P,)`, of the places that count, line by line.

    >>> line = Line(np.arange(8.0).reshape(2, 2, 2, 1), np.array([1, 2]))
    >>> line.shape, line[1].ravel().tolist(), np.asarray(line).shape
    ((2, 1, 2, 1), [5.0, 6.0], (2, 1, 2, 1))
    """

    def __init__(self, rows: Rows, numbers: np.ndarray) -> None:
        array, chosen = (rows.array, rows.rows) if isinstance(rows, RowView) else (rows, np.arange(len(rows)))
        super().__init__(array, chosen)
        self.numbers = numbers

    def __getitem__(self, place: Any) -> Any:
        found = np.asarray(super().__getitem__(place))
        *before, height, width, length = found.shape
        return found.reshape(*before, 1, height * width, length)[..., self.numbers, :]

    @property
    def shape(self) -> tuple[int, ...]:
        """As the copy would have it."""
        _, *before, _, _, length = np.shape(self.array)
        return (len(self.rows), *before, 1, len(self.numbers), length)


@dataclass(frozen=True, eq=False)
class Places:
    """The places of a grid that count.

    Attributes:
        counting: bool `(h, w)`, some True and some False.
    """

    counting: np.ndarray

    @classmethod
    def of(cls, region: np.ndarray | None, height: int, width: int) -> Places | None:
        """The places that show a pixel of a region, so that every pixel of it is looked at; None where all do.

        Args:
            region: bool `(H, W)`, which pixels of a picture count; None: all.
            height: of the grid, which covers the picture evenly.
            width: of the grid.

        >>> region = np.zeros((6, 6), dtype=bool)
        >>> region[:3, 2] = True
        >>> Places.of(region, 2, 3).counting.tolist(), Places.of(~region, 2, 2)
        ([[False, True, False], [False, False, False]], None)
        """
        if region is None:
            return None
        sums = np.pad(region.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
        (top, bottom), (left, right) = (_edges(*sides) for sides in zip((height, width), region.shape, strict=True))
        across = sums[:, right] - sums[:, left]
        counting = np.asarray(across[bottom] > across[top])
        return None if counting.all() else cls(counting)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        height, width = self.counting.shape
        return height, width

    @cached_property
    def numbers(self) -> np.ndarray:
        """Which places of the grid count, int64 `(P,)`, line by line."""
        return np.flatnonzero(self.counting)

    @cached_property
    def nearest(self) -> np.ndarray:
        """For each place of the grid, which of those that count is nearest, int64 `(h * w,)`."""
        from scipy.ndimage import distance_transform_edt

        rows, columns = distance_transform_edt(~self.counting, return_distances=False, return_indices=True)
        order = np.cumsum(self.counting.ravel()) - 1
        return np.asarray(order[(rows * self.shape[1] + columns).ravel()])

    def require(self, shape: tuple[int, ...], name: str) -> None:
        """Refuse another grid `(h, w)` than that of the region.

        Raises:
            IadError: naming both.
        """
        if shape != self.shape:
            raise IadError(
                f"{name}: {shape[0]} x {shape[1]} places, but the region of interest was drawn over {self.shape[0]} x "
                f"{self.shape[1]}; prepare all pictures alike and embed them by the same backbone"
            )

    def spread(self, line: np.ndarray) -> np.ndarray:
        """Maps over the grid `(N, h, w)` from those of the places that count `(N, 1, P)`; others hold the nearest.

        >>> Places(np.array([[True, False, False, True]])).spread(np.float32([[[1, 5]]])).tolist()
        [[[1.0, 1.0, 5.0, 5.0]]]
        """
        if not len(line):
            return np.empty((0, *self.shape), dtype=line.dtype)
        return np.ascontiguousarray(line.reshape(len(line), -1)[:, self.nearest].reshape(len(line), *self.shape))

    def filled(self, line: np.ndarray) -> np.ndarray:
        """Patches over the grid `(N, h, w, D)` from those that count `(N, 1, P, D)`; others are 0."""
        grid = np.zeros((len(line), self.counting.size, line.shape[3]), dtype=line.dtype)
        grid[:, self.numbers] = line[:, 0]
        return grid.reshape(len(line), *self.shape, -1)


Counting: TypeAlias = Places | None
"""None: every place counts."""


def places_of(good: Embeddings) -> Counting:
    """The places of good pictures that count, by their region and the grid of their patches."""
    patches = required(good.patches, "patch embeddings")
    return Places.of(good.region, patches.shape[1], patches.shape[2])


def kept_places(given: Embeddings, places: Counting, name: str) -> Embeddings:
    """The pictures with those of their patches that count; where all do, as they are.

    Raises:
        IadError: if they are of another grid; it begins with `name`.

    >>> given = Embeddings(patches=np.zeros((5, 2, 3, 8)), augmented=np.zeros((5, 4, 2, 3, 8)))
    >>> found = kept_places(given, Places(np.array([[True, False, True], [False, True, False]])), "patch")
    >>> found.patches.shape, found.augmented.shape
    ((5, 1, 3, 8), (5, 4, 1, 3, 8))
    """
    if places is None:
        return given
    patches, augmented = required(given.patches, "patch embeddings"), given.augmented
    places.require(tuple(patches.shape[1:3]), name)
    copies = None if augmented is None else Line(augmented, places.numbers)
    return replace(given, patches=Line(patches, places.numbers), augmented=copies)


def spread(found: Prediction, places: Counting) -> Prediction:
    """What was said of places that count `(N, 1, P)`, its maps over the whole grid."""
    if places is None or found.anomaly_map is None:
        return found
    return Prediction(found.pred_score, places.spread(found.anomaly_map), places.counting)


def state_of(places: Counting) -> dict[str, np.ndarray]:
    """What a state holds of it: nothing, or one array."""
    return {} if places is None else {KEY: places.counting.astype(np.uint8)}


def loaded(arrays: dict[str, np.ndarray] | Any) -> Counting:
    """From the arrays of a state.

    Raises:
        ValueError: if they hold something else.
    """
    if KEY not in arrays:
        return None
    found = np.asarray(arrays[KEY])
    if found.ndim != 2 or not found.any():
        raise ValueError(f"places of the shape {found.shape} of which none counts")
    return Places(found != 0)


def require_same(one: Counting, other: Counting, name: str) -> None:
    """Refuse to join detectors of which other places count.

    Raises:
        IadError: if so; it begins with `name`.
    """
    first, second = (None if places is None else places.counting.tolist() for places in (one, other))
    if first != second:
        raise IadError(f"{name}: of other regions of interest; fit both with the same one")


def _edges(places: int, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """First pixel of each of so many places along a line, and the one after the last, int64 `(places,)` each."""
    numbers = np.arange(places)
    return numbers * pixels // places, -(-(numbers + 1) * pixels // places)
