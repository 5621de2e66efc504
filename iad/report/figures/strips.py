"""Rows of pictures with their scores: what a method got wrong, worst first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from iad.report.figures.style import MUTED, draw_picture, new_figure, pixel_axes, styled

COLUMNS, FEWEST_COLUMNS = 8, 4
TILE, CAPTION, HEADER, GAP = 186, 68, 84, 12  # pixels
LONGEST_ID = 20  # characters that fit below a picture


@styled
def picture_strip(
    title: str, pictures: np.ndarray, image_ids: Sequence[str], scores: Sequence[float], threshold: float
) -> Figure:
    """Draw pictures in reading order, each with its score, how far that is from the threshold, and the end of its id.

    Args:
        title: what they have in common.
        pictures: uint8 `(K, S, S, 3)`; K = 0 gives a small figure with the title alone.
        image_ids: K ids.
        scores: K anomaly scores.
        threshold: parts with `score >= threshold` are rejected.
    """
    columns = max(min(len(pictures), COLUMNS), FEWEST_COLUMNS)
    lines = -(-len(pictures) // COLUMNS)
    figure = new_figure(GAP + columns * (TILE + GAP), HEADER + lines * (TILE + CAPTION))
    axes = pixel_axes(figure)
    axes.text(GAP, 27, title, fontsize=10, fontweight="bold", va="center")
    line = f"threshold {threshold:.4g}" + ("; below each picture its score" if lines else "")
    axes.text(GAP, 60, line, fontsize=8, color=MUTED, va="center")
    for number, (picture, image_id, score) in enumerate(zip(pictures, image_ids, scores, strict=True)):
        left = GAP + (number % COLUMNS) * (TILE + GAP)
        top = HEADER + (number // COLUMNS) * (TILE + CAPTION)
        draw_picture(axes, picture, left, top, TILE)
        axes.text(left, top + TILE + 7, _caption(image_id, score, threshold), fontsize=7.5, va="top", linespacing=1.3)
    return figure


def _caption(image_id: str, score: float, threshold: float) -> str:
    name = image_id if len(image_id) <= LONGEST_ID else "\u2026" + image_id[1 - LONGEST_ID :]
    side = "above" if score >= threshold else "below"
    return f"{score:.4g}, {abs(score - threshold):.2g} {side}\n{name}"
