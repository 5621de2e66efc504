"""Polygons drawn as a picture: LabelMe's JSON, or a plain list of polygons in pixels or in shares of the picture."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from iad.data.image_size import ImageSize
from iad.errors import IadError

WAYS = "a mask picture, LabelMe's JSON, or a list of polygons, each a list of corners [x, y]"
IGNORED = "ignore"  # label of LabelMe's shapes that are taken away
MOST_PIXELS = 1e8

Corners: TypeAlias = list[tuple[float, float]]
Drawing: TypeAlias = Callable[[ImageSize], np.ndarray]
"""From the size of the picture to the pixels inside of a shape, bool `(H, W)`."""


def parsed(data: bytes, name: str) -> Any:
    """What a file of polygons holds.

    Raises:
        IadError: if it is cut short, or no JSON.
    """
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise IadError(f"{name}: cut short or not JSON ({error}); give {WAYS}") from None


def drawn(given: Any, sizes: np.ndarray, name: str) -> tuple[np.ndarray, bool]:
    """Draw polygons.

    Args:
        given: what the JSON holds.
        sizes: of the pictures that they are for: int64 `(N, 2)`, height and width in pixels.
        name: what a refusal calls them.

    Returns:
        bool `(h, w)`, True inside; and whether they go with pictures of any shape, being in shares.

    Raises:
        IadError: if it is something else, or a corner lies far outside.

    >>> drawn([[[1, 0], [3, 0], [3, 2], [1, 2]]], np.array([[2, 4]]), "roi.json")[0].astype(int).tolist()
    [[0, 1, 1, 0], [0, 1, 1, 0]]
    """
    try:
        return _of_labelme(given, name) if isinstance(given, dict) else _of_list(given, sizes, name)
    except (AttributeError, TypeError, ValueError, KeyError, OverflowError):
        raise IadError(f"{name}: not what is read as polygons; give {WAYS}") from None


def _of_list(given: Iterable[Any], sizes: np.ndarray, name: str) -> tuple[np.ndarray, bool]:
    polygons = [_corners(one) for one in given]
    numbers = np.array([corner for one in polygons for corner in one], dtype=np.float64).reshape(-1, 2)
    if not len(numbers):
        raise IadError(f"{name}: no polygon; give {WAYS}")
    common, counts = np.unique(sizes, axis=0, return_counts=True)
    height, width = common[np.argmax(counts)].tolist()
    shares = bool(numbers.min() >= 0 and numbers.max() <= 1)
    if not shares and len(common) > 1:
        raise IadError(
            f"{name}: polygons in pixels, of pictures of {len(common)} sizes; give corners in shares of the picture, "
            "from 0 to 1, or LabelMe's JSON, which holds the size that it was drawn at"
        )
    across, down = (width, height) if shares else (1, 1)
    scaled = [[(x * across, y * down) for x, y in one] for one in polygons]
    return _painted([(_polygon(one), True) for one in scaled], scaled, ImageSize(height, width), name), shares


def _of_labelme(given: dict[str, Any], name: str) -> tuple[np.ndarray, bool]:
    if not given["shapes"]:
        raise IadError(f"{name}: no shape; give {WAYS}")
    height, width = given.get("imageHeight"), given.get("imageWidth")
    if not (isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0):
        raise IadError(f"{name}: does not say imageHeight and imageWidth in pixels; save it again in LabelMe")
    shapes, corners = [], []
    for one in given["shapes"]:
        kind = one.get("shape_type", "polygon")
        if kind not in KINDS:
            raise IadError(f"{name}: a shape of the kind '{kind}'; draw one of {', '.join(KINDS)}")
        corners.append([(float(x), float(y)) for x, y in one["points"]])
        shapes.append((KINDS[kind](corners[-1]), one.get("label") != IGNORED))
    return _painted(shapes, corners, ImageSize(height, width), name), False


def _painted(
    shapes: Sequence[tuple[Drawing, bool]], corners: Sequence[Corners], size: ImageSize, name: str
) -> np.ndarray:  # fmt: skip
    """All shapes that count, less those that do not; the whole picture less these, if none counts."""
    numbers = np.array([corner for one in corners for corner in one], dtype=np.float64)
    far = (numbers < -max(size)) | (numbers > 2 * max(size))
    if not np.isfinite(numbers).all() or far.any():
        raise IadError(f"{name}: a corner far outside of a picture of {size}; draw it again")
    if size.height * size.width > MOST_PIXELS:
        raise IadError(f"{name}: drawn for pictures of {size}; draw it at the size of a picture")
    found = np.full(size, not any(counts for _, counts in shapes))
    for shape, counts in sorted(shapes, key=lambda one: not one[1]):
        found[shape(size)] = counts
    return found


def _corners(given: Any) -> Corners:
    """The corners of a polygon; nothing else is taken for one."""
    found = [(float(x), float(y)) for x, y in given]
    if len(found) < 3:
        raise ValueError("fewer than three corners")
    return found


def _polygon(corners: Corners) -> Drawing:
    _corners(corners)

    def inside(size: ImageSize) -> np.ndarray:
        """Pixels whose middle lies inside: to the right of an odd number of edges."""
        found, across = np.zeros(size, dtype=bool), np.arange(size.width) + 0.5
        for (x, y), (to_x, to_y) in zip(corners, [*corners[1:], corners[0]], strict=True):
            rows = np.arange(*sorted(min(max(math.ceil(one - 0.5), 0), size.height) for one in (y, to_y)))
            if len(rows):
                edge = x + (rows + 0.5 - y) * (to_x - x) / (to_y - y)
                found[rows] ^= across >= edge[:, None]
        return found

    return inside


def _rectangle(corners: Corners) -> Drawing:
    (left, top), (right, bottom) = corners
    return _polygon([(left, top), (right, top), (right, bottom), (left, bottom)])


def _circle(corners: Corners) -> Drawing:
    (x, y), (edge_x, edge_y) = corners
    radius = np.hypot(edge_x - x, edge_y - y)

    def inside(size: ImageSize) -> np.ndarray:
        down, across = np.ogrid[: size.height, : size.width]
        return np.asarray(np.hypot(down + 0.5 - y, across + 0.5 - x) <= radius)

    return inside


KINDS: dict[str, Callable[[Corners], Drawing]] = {"polygon": _polygon, "rectangle": _rectangle, "circle": _circle}
