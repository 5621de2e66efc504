"""A sheet of a data set: a few pictures of each split and kind, in their own shape, with their masks outlined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iad.report.figures.style import BAD, INK, MUTED, new_figure, pixel_axes, styled

EDGE, TILE, GAP = 18, 220, 10  # pixels, as all sizes here
TITLE, HEAD, CAPTION = 56, 34, 22
LONGEST_NAME = 30  # characters that fit under a tile
RIM = "#FFFFFF"


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture of a sheet.

    Attributes:
        name: of its file.
        picture: uint8 `(H, W, 3)`.
        mask: uint8 `(S, S)`, 1 where defective, over the whole picture whatever its shape; None where it has none.
    """

    name: str
    picture: np.ndarray
    mask: np.ndarray | None


@styled
def sample_sheet(title: str, rows: Sequence[tuple[str, Sequence[Sample]]]) -> Figure:
    """Draw a row of pictures for each split and kind.

    Args:
        title: what the data set is.
        rows: head and pictures of each row; at least one.
    """
    across = max(len(samples) for _, samples in rows)
    heights = [HEAD + max(_size(sample)[1] for sample in samples) + CAPTION + GAP for _, samples in rows]
    figure = new_figure(2 * EDGE + across * (TILE + GAP) - GAP, TITLE + round(sum(heights)) + EDGE)
    axes = pixel_axes(figure)
    axes.text(EDGE, TITLE / 2, title, fontsize=11, fontweight="bold", va="center")
    top = float(TITLE)
    for (head, samples), height in zip(rows, heights, strict=True):
        axes.text(EDGE, top + HEAD / 2, head, fontsize=8.5, color=INK, fontweight="bold", va="center")
        for column, sample in enumerate(samples):
            _draw(axes, sample, EDGE + column * (TILE + GAP), top + HEAD)
        top += height
    return figure


def _size(sample: Sample) -> tuple[float, float]:
    """Width and height at which a picture is drawn, its longer side as long as a tile."""
    high, wide = sample.picture.shape[:2]
    scale = TILE / max(high, wide)
    return max(wide * scale, 1), max(high * scale, 1)


def _draw(axes: Axes, sample: Sample, left: float, top: float) -> None:
    width, height = _size(sample)
    limits = axes.axis()
    axes.imshow(sample.picture, extent=(left, left + width, top + height, top), aspect="auto")
    axes.axis(limits)  # imshow moves them
    if sample.mask is not None and sample.mask.any():
        _outline(axes, sample.mask, left, top, width, height)
    name = sample.name if len(sample.name) <= LONGEST_NAME else f"...{sample.name[3 - LONGEST_NAME :]}"
    axes.text(left, top + height + CAPTION / 2, name, fontsize=6, color=MUTED, va="center")


def _outline(axes: Axes, mask: np.ndarray, left: float, top: float, width: float, height: float) -> None:
    # a rim of good pixels closes the outline of a defect that reaches the edge of the picture
    rimmed = np.pad(mask.astype(float), 1)
    middles = (np.arange(len(mask) + 2) - 0.5) / len(mask)
    for colour, thickness in ((RIM, 2.4), (BAD, 1.2)):
        axes.contour(
            left + middles * width,
            top + middles * height,
            rimmed,
            levels=[0.5],
            colors=[colour],
            linewidths=[thickness],
        )
