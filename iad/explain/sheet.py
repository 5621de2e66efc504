"""A picture's explanations side by side, and what it was compared with below them, as one figure.

The method's own map has the colours of `iad.report.overlay`, and they mean the same: red from the bundle's threshold
of pixels on. An explanation has no threshold. Its colours are others: purple where a part raised the score, green where
it lowered it, strongest where all but 1 in 200 pixels of that map are weaker (ColorBrewer's PRGn, told apart with every
kind of colour vision).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from iad.detectors.maps import resized
from iad.explain.unlike import PatchPair, Unlike
from iad.report.figures.style import INK, MUTED, new_figure, pixel_axes, png, styled
from iad.report.overlay import MapScale, colour_ramp, overlay

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    Box: TypeAlias = tuple[float, float, float, float]

RAISES, LOWERS = colour_ramp("#E7D4E8", "#9970AB", "#40004B"), colour_ramp("#D9F0D3", "#5AAE61", "#00441B")
COVER = 0.75  # how far the strongest colour covers the picture
SIDE, GAP, TOP, LINE = 300, 24, 64, 26  # pixels
STRONGEST = 0.995  # share of the pixels that are weaker than the strongest colour
CONTEXT = 1  # patches around one that is shown
MARK = "#B3392F"


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture of the sheet.

    Attributes:
        title: above it, one or two lines.
        picture: uint8 `(H, W, 3)`.
        boxes: marked in it: top, left, bottom, right as shares of height and width.
    """

    title: str
    picture: np.ndarray
    boxes: tuple[Box, ...] = ()


def explanation_overlay(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The picture in grey under the colours of an explanation, uint8 `(H, W, 3)`.

    Args:
        picture: uint8 `(H, W, 3)`.
        values: float32 `(h, w)`, which cover the picture evenly; what is positive raised the score.

    >>> picture = np.full((1, 2, 3), 100, dtype=np.uint8)
    >>> explanation_overlay(picture, np.array([[0.0, 2.0]], dtype=np.float32)).tolist()
    [[[100, 100, 100], [73, 25, 81]]]
    """
    shown = resized(values.astype(np.float32), *picture.shape[:2])
    largest = max(float(np.quantile(np.abs(shown), STRONGEST)), float(np.finfo(np.float32).tiny))
    share = np.clip(np.abs(shown) / largest, 0, 1)[..., None]
    place = np.minimum(share[..., 0] * len(RAISES), len(RAISES) - 1).astype(int)
    colours = np.where(shown[..., None] >= 0, RAISES[place], LOWERS[place])
    grey = np.repeat(picture.mean(axis=2, keepdims=True) / 255, 3, axis=2)
    return np.asarray(np.round(255 * (grey + (colours - grey) * COVER * share)), dtype=np.uint8)


def map_overlay(picture: np.ndarray, anomaly_map: np.ndarray, scale: MapScale) -> np.ndarray:
    """The picture under the method's own map, at the picture's size; see `iad.report.overlay.overlay`."""
    return overlay(picture, resized(anomaly_map, *picture.shape[:2]), scale)


def compared(picture: np.ndarray, found: Unlike, good: Callable[[int], tuple[str, np.ndarray | None]]) -> list[Tile]:
    """The worst patches beside the good ones nearest to them, then the nearest good pictures, as far as they are there.

    Args:
        picture: uint8 `(H, W, 3)`.
        found: what it was compared with.
        good: name of a good picture by its number in the bundle, and the picture where its file is there.
    """
    tiles = []
    for number, pair in enumerate(found.patches, start=1):
        tiles.append(Tile(f"patch {number}\n{pair.distance:.3g} away", *_around(picture, pair.box)))
        name, shown = good(pair.row)
        if shown is not None:
            tiles.append(Tile(f"its nearest good patch\n{_short(name)}", *_good_patch(shown, pair)))
    for one in found.pictures:
        name, shown = good(one.row)
        if shown is not None:
            tiles.append(Tile(f"good: {_short(name)}\n{one}", shown))
    return tiles


@styled
def sheet(heading: str, rows: Sequence[tuple[str, Sequence[Tile]]], notes: Sequence[str]) -> bytes:
    """All tiles as a PNG file; the same tiles give the same bytes.

    Args:
        heading: above all.
        rows: each with its title.
        notes: lines below.
    """
    rows = [row for row in rows if row[1]]
    across = max(len(tiles) for _, tiles in rows)
    heights = [max(_height(tile) for tile in tiles) + 3 * LINE + 2 * GAP for _, tiles in rows]
    figure = new_figure(GAP + across * (SIDE + GAP), round(TOP + sum(heights) + LINE * len(notes) + GAP))
    axes = pixel_axes(figure)
    axes.text(GAP, 28, heading, va="baseline", fontsize=10, fontweight="bold", color=INK)
    top = float(TOP)
    for (title, tiles), height in zip(rows, heights, strict=True):
        axes.text(GAP, top, title, va="baseline", fontsize=8, color=MUTED)
        for number, tile in enumerate(tiles):
            _draw(axes, tile, GAP + number * (SIDE + GAP), top + LINE)
        top += height
    for line in notes:
        axes.text(GAP, top, line, va="baseline", fontsize=7, color=MUTED)
        top += LINE
    return png(figure)


def _draw(axes: Axes, tile: Tile, left: float, top: float) -> None:
    axes.text(left, top + LINE, tile.title, va="baseline", fontsize=7, color=INK, linespacing=1.3)
    top += 2 * LINE + 4
    height, limits = _height(tile), axes.axis()
    axes.imshow(tile.picture, extent=(left, left + SIDE, top + height, top), aspect="auto", interpolation="nearest")
    axes.axis(limits)  # imshow moves them
    for box in tile.boxes:
        axes.add_patch(_frame(left, top, height, box))


def _frame(left: float, top: float, height: float, box: Box) -> Any:
    from matplotlib.patches import Rectangle

    corner = left + box[1] * SIDE, top + box[0] * height
    return Rectangle(
        corner, (box[3] - box[1]) * SIDE, (box[2] - box[0]) * height, fill=False, linewidth=1.2, edgecolor=MARK
    )


def _height(tile: Tile) -> float:
    height, width = tile.picture.shape[:2]
    return float(SIDE * height / width)


def _good_patch(shown: np.ndarray, pair: PatchPair) -> tuple[np.ndarray, tuple[Box, ...]]:
    """What surrounds a good patch; the whole picture where it comes from a turned copy, whose places are others."""
    return (shown, ()) if pair.turned else _around(shown, pair.good_box)


def _around(picture: np.ndarray, box: Box) -> tuple[np.ndarray, tuple[Box, ...]]:
    """A patch with those around it, and where it lies in that."""
    height, width = picture.shape[:2]
    tall, wide = box[2] - box[0], box[3] - box[1]
    top, bottom = max(box[0] - CONTEXT * tall, 0.0), min(box[2] + CONTEXT * tall, 1.0)
    left, right = max(box[1] - CONTEXT * wide, 0.0), min(box[3] + CONTEXT * wide, 1.0)
    cut = picture[round(top * height) : max(round(bottom * height), round(top * height) + 1),
                  round(left * width) : max(round(right * width), round(left * width) + 1)]  # fmt: skip
    inside = (
        (box[0] - top) / (bottom - top), (box[1] - left) / (right - left), (box[2] - top) / (bottom - top),
        (box[3] - left) / (right - left),
    )  # fmt: skip
    return cut, (inside,)


def _short(name: str, most: int = 34) -> str:
    return name if len(name) <= most else f"...{name[3 - most :]}"
