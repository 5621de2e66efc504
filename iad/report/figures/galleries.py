"""Where a method sees defects: pictures with their masks, anomaly maps and overlays, hardest and easiest of each kind.

What the colours mean is in `iad.report.overlay`: blue below a threshold of pixels, red from there on.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from iad.report.figures.style import BAD, INK, MUTED, draw_picture, fitted, new_figure, pixel_axes, styled
from iad.report.overlay import MapScale, map_colours, overlay

EDGE, TILE, GAP, MIDDLE = 18, 187, 6, 30  # pixels, as all sizes here
HEADER, CAPTION = 156, 38
LARGEST = 4 * TILE  # of the longer side of a picture that is drawn as it is
BAR, BAR_HEIGHT = 420, 16
NOTE_TOP, NOTE_STEP, NOTE_LINES = 62, 24, 3  # below the title; more lines make the header taller
CHARACTER = 8.6  # pixels of a note's average one, rather too many
OUTLINE = "#FFFFFF"


@dataclass(frozen=True, eq=False)
class Shown:
    """One picture of a gallery.

    Attributes:
        caption: what it is, such as its kind of defect.
        verdict: its score and verdict in words.
        wrong: whether the verdict is wrong.
        picture: uint8 `(H, W, 3)`.
        gt_mask: bool `(H, W)`, defect pixels; None where the data set has no mask of it.
        anomaly_map: float `(H, W)`, higher = more anomalous.
    """

    caption: str
    verdict: str
    wrong: bool
    picture: np.ndarray
    gt_mask: np.ndarray | None
    anomaly_map: np.ndarray


def reduced(shown: Shown) -> Shown:
    """The same in fewer pixels where a picture is far larger than it is drawn, so that a figure of many fits memory.

    Of each block of pixels the picture keeps the mean, its mask and map the highest value: nothing rejected vanishes.

    >>> marked = np.zeros((1500, 1500), dtype=bool)
    >>> marked[0, 0] = True
    >>> small = reduced(Shown("", "", False, np.zeros((1500, 1500, 3), np.uint8), marked, marked * 9.0))
    >>> small.picture.shape, int(small.gt_mask.sum()), float(small.anomaly_map.max())
    ((500, 500, 3), 1, 9.0)
    """
    factor = -(-max(shown.anomaly_map.shape) // LARGEST)
    if factor <= 1:
        return shown
    picture = np.asarray(Image.fromarray(shown.picture).reduce(factor))
    mask = None if shown.gt_mask is None else _highest(shown.gt_mask, factor)
    return replace(shown, picture=picture, gt_mask=mask, anomaly_map=_highest(shown.anomaly_map, factor))


@styled
def map_gallery(
    title: str, lines: Sequence[tuple[Shown, Shown | None]], scale: MapScale, notes: Sequence[str]
) -> Figure:
    """Draw two pictures per line, each as picture, mask (where any has one), map and overlay.

    Args:
        title: the method.
        lines: left and right picture of each line; at least one line.
        scale: of the method.
        notes: quiet sentences below the title, wrapped where they are long.
    """
    masked = any(one is not None and one.gt_mask is not None for line in lines for one in line)
    half = (4 if masked else 3) * (TILE + GAP) - GAP
    width, step = 2 * (EDGE + half) + MIDDLE, CAPTION + TILE + GAP
    written = _wrapped(notes, width - BAR - 3 * EDGE)
    header = HEADER + NOTE_STEP * max(len(written) - NOTE_LINES, 0)
    figure = new_figure(width, header + len(lines) * step + EDGE)
    axes = pixel_axes(figure)
    axes.text(EDGE, 27, title, fontsize=11, fontweight="bold", va="center")
    for number, text in enumerate(written):
        axes.text(EDGE, NOTE_TOP + NOTE_STEP * number, text, fontsize=7.5, color=MUTED, va="center")
    _draw_scale(axes, scale, width - EDGE - BAR)
    for side, left in enumerate((EDGE, EDGE + half + MIDDLE)):
        _draw_heads(axes, left, header, masked)
        for number, line in enumerate(lines):
            if (shown := line[side]) is not None:
                _draw_shown(axes, shown, scale, left, header + number * step, masked)
    return figure


def _wrapped(notes: Sequence[str], width: float) -> list[str]:
    return [line for text in notes for line in textwrap.wrap(text, int(width / CHARACTER))]


def _highest(values: np.ndarray, factor: int) -> np.ndarray:
    rows, columns = (np.arange(0, length, factor) for length in values.shape)
    return np.asarray(np.maximum.reduceat(np.maximum.reduceat(values, rows, axis=0), columns, axis=1))


def _draw_heads(axes: Axes, left: float, bottom: float, masked: bool) -> None:
    heads = ("picture", "mask", "map", "overlay") if masked else ("picture", "map", "overlay")
    for column, head in enumerate(heads):
        axes.text(left + column * (TILE + GAP), bottom - 10, head, fontsize=7.5, color=MUTED, va="center")


def _draw_shown(axes: Axes, shown: Shown, scale: MapScale, left: float, top: float, masked: bool) -> None:
    look: dict[str, Any] = {"fontsize": 8.5, "va": "center"}
    axes.text(left, top + CAPTION / 2, shown.caption, fontweight="bold", **look)
    right = left + (4 if masked else 3) * (TILE + GAP) - GAP
    axes.text(right, top + CAPTION / 2, shown.verdict, ha="right", color=BAD if shown.wrong else INK, **look)
    coloured = np.round(255 * map_colours(shown.anomaly_map, scale)).astype(np.uint8)
    covered = overlay(shown.picture, shown.anomaly_map, scale)
    for column, tile in enumerate([shown.picture, *([shown.picture] if masked else []), coloured, covered]):
        draw_picture(axes, tile, left + column * (TILE + GAP), top + CAPTION, TILE)
    if masked and shown.gt_mask is not None:
        _draw_outline(axes, shown.gt_mask, left + TILE + GAP, top + CAPTION)


def _draw_outline(axes: Axes, mask: np.ndarray, left: float, top: float) -> None:
    if not mask.any():
        return
    # a rim of good pixels closes the outline of a defect that reaches the edge of the picture
    rimmed, (height, width) = np.pad(mask.astype(float), 1), fitted(mask.shape, TILE)
    step = height / len(mask)
    down, along = ((np.arange(length + 2) - 0.5) * step for length in mask.shape)
    x, y = left + (TILE - width) / 2 + along, top + (TILE - height) / 2 + down
    for colour, line in ((INK, 2.2), (OUTLINE, 0.9)):
        axes.contour(x, y, rimmed, levels=[0.5], colors=[colour], linewidths=[line])


def _draw_scale(axes: Axes, scale: MapScale, left: float) -> None:
    top, limits = 46, axes.axis()
    values = scale.red + scale.span * np.linspace(-1, 1, 2 * (BAR // 2), endpoint=False)
    colours = np.round(255 * map_colours(values[None], scale)).astype(np.uint8)
    axes.imshow(colours, extent=(left, left + BAR, top + BAR_HEIGHT, top), aspect="auto")
    axes.axis(limits)  # imshow moves them
    middle = left + BAR / 2
    axes.plot([middle, middle], [top - 5, top + BAR_HEIGHT + 5], color=INK, linewidth=1)
    look: dict[str, Any] = {"fontsize": 7.5, "va": "center"}
    for x, align, name, value in (
        (left, "left", "usual on good", f"{scale.usual:.3g}"),
        (middle, "center", "threshold", f"{scale.red:.3g}"),
        (left + BAR, "right", "rejected pixels", f"{scale.red + scale.span:.3g} and more"),
    ):
        axes.text(x, top - 16, name, ha=align, **look)
        axes.text(x, top + BAR_HEIGHT + 16, value, ha=align, color=MUTED, **look)
