"""Where a method sees defects: pictures with their masks, anomaly maps and overlays, hardest and easiest of each kind.

The colours of a map are tied to the threshold of its pixels: blue below, red from the threshold on, for every picture
of a method alike. Blue and red differ for every kind of colour vision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

from iad.report.figures.style import BAD, INK, MUTED, draw_picture, new_figure, pixel_axes, styled

EDGE, TILE, GAP, MIDDLE = 18, 187, 6, 30  # pixels, as all sizes here
HEADER, CAPTION = 142, 38
LARGEST = 4 * TILE  # side of a picture that is drawn as it is
BAR, BAR_HEIGHT = 420, 16
BELOW = LinearSegmentedColormap.from_list("below", ["#F7F9FB", "#A9C9E0", "#2B6CA3"])
ABOVE = LinearSegmentedColormap.from_list("above", ["#F0562F", "#C01722", "#6E0712"])
OVERLAY_BELOW, OVERLAY_ABOVE = 0.35, 0.65  # how far colour covers the picture, just below the threshold and above it
OUTLINE = "#FFFFFF"


@dataclass(frozen=True)
class MapScale:
    """What the colours of a method's maps mean.

    Attributes:
        usual: value that is usual on good pictures, where blue begins to show.
        threshold: pixels with `value >= threshold` are red.
    """

    usual: float
    threshold: float

    @property
    def span(self) -> float:
        """From usual to the threshold; as far above it red is darkest."""
        return max(self.threshold - self.usual, float(np.finfo(np.float32).tiny))


@dataclass(frozen=True, eq=False)
class Shown:
    """One picture of a gallery.

    Attributes:
        caption: what it is, such as its kind of defect.
        verdict: its score and verdict in words.
        wrong: whether the verdict is wrong.
        picture: uint8 `(S, S, 3)`.
        mask: bool `(S, S)`, defect pixels; None where the data set has no mask of it.
        map: float `(S, S)`, higher = more anomalous.
    """

    caption: str
    verdict: str
    wrong: bool
    picture: np.ndarray
    mask: np.ndarray | None
    map: np.ndarray


def map_colours(values: np.ndarray, scale: MapScale) -> np.ndarray:
    """Colours of map values, float64 `(..., 3)` in [0, 1]: red if and only if `value >= scale.threshold`.

    Args:
        values: of any shape, higher = more anomalous.
        scale: of the method.
    """
    level = _level(values, scale)
    below, above = BELOW(np.clip(level, 0, 1))[..., :3], ABOVE(np.clip(level - 1, 0, 1))[..., :3]
    return np.asarray(np.where(_marked(values, scale)[..., None], above, below))


def overlay(picture: np.ndarray, values: np.ndarray, scale: MapScale) -> np.ndarray:
    """The picture in grey under the colours of its map, uint8 `(S, S, 3)`; what is usual stays grey.

    Args:
        picture: uint8 `(S, S, 3)`.
        values: `(S, S)`, its map.
        scale: of the method.
    """
    grey = np.repeat(picture.mean(axis=2, keepdims=True) / 255, 3, axis=2)
    covered = np.where(_marked(values, scale), OVERLAY_ABOVE, OVERLAY_BELOW * np.clip(_level(values, scale), 0, 1))
    mixed = grey + (map_colours(values, scale) - grey) * covered[..., None]
    return np.asarray(np.round(255 * mixed), dtype=np.uint8)


def reduced(shown: Shown) -> Shown:
    """The same in fewer pixels where a picture is far larger than it is drawn, so that a figure of many fits memory.

    Of each block of pixels the picture keeps the mean, its mask and map the highest value: nothing rejected vanishes.
    """
    factor = -(-len(shown.map) // LARGEST)
    if factor <= 1:
        return shown
    picture = np.asarray(Image.fromarray(shown.picture).reduce(factor))
    mask = None if shown.mask is None else _highest(shown.mask, factor)
    return replace(shown, picture=picture, mask=mask, map=_highest(shown.map, factor))


@styled
def map_gallery(
    title: str, lines: Sequence[tuple[Shown, Shown | None]], scale: MapScale, notes: Sequence[str]
) -> Figure:
    """Draw two pictures per line, each as picture, mask (where any has one), map and overlay.

    Args:
        title: the method.
        lines: left and right picture of each line; at least one line.
        scale: of the method.
        notes: up to three quiet lines below the title.
    """
    masked = any(one is not None and one.mask is not None for line in lines for one in line)
    half = (4 if masked else 3) * (TILE + GAP) - GAP
    width, step = 2 * (EDGE + half) + MIDDLE, CAPTION + TILE + GAP
    figure = new_figure(width, HEADER + len(lines) * step + EDGE)
    axes = pixel_axes(figure)
    axes.text(EDGE, 27, title, fontsize=11, fontweight="bold", va="center")
    for place, text in enumerate(notes):
        axes.text(EDGE, 62 + 24 * place, text, fontsize=7.5, color=MUTED, va="center")
    _draw_scale(axes, scale, width - EDGE - BAR)
    for left in (EDGE, EDGE + half + MIDDLE):
        _draw_heads(axes, left, masked)
        for place, line in enumerate(lines):
            shown = line[0] if left == EDGE else line[1]
            if shown is not None:
                _draw_shown(axes, shown, scale, left, HEADER + place * step, masked)
    return figure


def _highest(values: np.ndarray, factor: int) -> np.ndarray:
    starts = np.arange(0, len(values), factor)
    return np.asarray(np.maximum.reduceat(np.maximum.reduceat(values, starts, axis=0), starts, axis=1))


def _level(values: np.ndarray, scale: MapScale) -> np.ndarray:
    # 0 at what is usual, 1 at the threshold; 3 is beyond the end of the colours
    with np.errstate(over="ignore"):
        return np.clip(1 + (values.astype(np.float64) - scale.threshold) / scale.span, -1, 3)


def _marked(values: np.ndarray, scale: MapScale) -> np.ndarray:
    return np.asarray(values.astype(np.float64) >= scale.threshold)


def _draw_heads(axes: Axes, left: float, masked: bool) -> None:
    heads = ("picture", "mask", "map", "overlay") if masked else ("picture", "map", "overlay")
    for place, head in enumerate(heads):
        axes.text(left + place * (TILE + GAP), HEADER - 10, head, fontsize=7.5, color=MUTED, va="center")


def _draw_shown(axes: Axes, shown: Shown, scale: MapScale, left: float, top: float, masked: bool) -> None:
    look: dict[str, Any] = {"fontsize": 8.5, "va": "center"}
    axes.text(left, top + CAPTION / 2, shown.caption, fontweight="bold", **look)
    right = left + (4 if masked else 3) * (TILE + GAP) - GAP
    axes.text(right, top + CAPTION / 2, shown.verdict, ha="right", color=BAD if shown.wrong else INK, **look)
    coloured = np.round(255 * map_colours(shown.map, scale)).astype(np.uint8)
    tiles = [shown.picture, *([shown.picture] if masked else []), coloured, overlay(shown.picture, shown.map, scale)]
    for place, tile in enumerate(tiles):
        draw_picture(axes, tile, left + place * (TILE + GAP), top + CAPTION, TILE)
    if masked and shown.mask is not None:
        _draw_outline(axes, shown.mask, left + TILE + GAP, top + CAPTION)


def _draw_outline(axes: Axes, mask: np.ndarray, left: float, top: float) -> None:
    if not mask.any():
        return
    # a rim of good pixels closes the outline of a defect that reaches the edge of the picture
    rimmed, step = np.pad(mask.astype(float), 1), TILE / len(mask)
    middles = (np.arange(len(mask) + 2) - 0.5) * step
    for colour, width in ((INK, 2.2), (OUTLINE, 0.9)):
        axes.contour(left + middles, top + middles, rimmed, levels=[0.5], colors=[colour], linewidths=[width])


def _draw_scale(axes: Axes, scale: MapScale, left: float) -> None:
    top, limits = 46, axes.axis()
    values = scale.threshold + scale.span * np.linspace(-1, 1, 2 * (BAR // 2), endpoint=False)
    colours = np.round(255 * map_colours(values[None], scale)).astype(np.uint8)
    axes.imshow(colours, extent=(left, left + BAR, top + BAR_HEIGHT, top), aspect="auto")
    axes.axis(limits)  # imshow moves them
    middle = left + BAR / 2
    axes.plot([middle, middle], [top - 5, top + BAR_HEIGHT + 5], color=INK, linewidth=1)
    look: dict[str, Any] = {"fontsize": 7.5, "va": "center"}
    for x, align, name, value in (
        (left, "left", "usual on good", f"{scale.usual:.3g}"),
        (middle, "center", "threshold", f"{scale.threshold:.3g}"),
        (left + BAR, "right", "rejected pixels", f"{scale.threshold + scale.span:.3g} and more"),
    ):
        axes.text(x, top - 16, name, ha=align, **look)
        axes.text(x, top + BAR_HEIGHT + 16, value, ha=align, color=MUTED, **look)
