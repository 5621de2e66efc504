"""Rows of pictures with their scores: what a method got wrong, worst first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from iad.plotting.style import MUTED, bare, new_figure, styled

COLUMNS = 8
TILE, CAPTION, HEADER, GAP = 196, 72, 84, 12  # pixels
LONGEST_ID = 24  # characters that fit below a picture


@styled
def picture_strip(
    title: str, pictures: np.ndarray, image_ids: Sequence[str], scores: Sequence[float], threshold: float
) -> Figure:
    """Draw pictures in reading order, each with the end of its id, its score, and how far that is from the threshold.

    Args:
        title: what they have in common.
        pictures: uint8 `(K, S, S, 3)`; K = 0 gives a small figure with the title alone.
        image_ids: K ids.
        scores: K anomaly scores.
        threshold: parts with `score >= threshold` are rejected.
    """
    columns = max(min(len(pictures), COLUMNS), 4)
    lines = -(-len(pictures) // COLUMNS)
    width = GAP + columns * (TILE + GAP)
    height = HEADER + lines * (TILE + CAPTION)
    figure = new_figure(width, height)
    figure.text(GAP / width, 1 - 0.32 * HEADER / height, title, fontsize=10, fontweight="bold", va="center")
    figure.text(
        GAP / width, 1 - 0.70 * HEADER / height, f"threshold {threshold:.4g}", fontsize=8, color=MUTED, va="center"
    )
    for place, (picture, image_id, score) in enumerate(zip(pictures, image_ids, scores, strict=True)):
        left = GAP + (place % COLUMNS) * (TILE + GAP)
        top = HEADER + (place // COLUMNS) * (TILE + CAPTION)
        axes = figure.add_axes((left / width, 1 - (top + TILE) / height, TILE / width, TILE / height))
        axes.imshow(picture)
        bare(axes)
        axes.set_xlabel(_caption(image_id, score, threshold), fontsize=7.5, loc="left", labelpad=3, linespacing=1.3)
    return figure


def _caption(image_id: str, score: float, threshold: float) -> str:
    name = image_id if len(image_id) <= LONGEST_ID else "…" + image_id[1 - LONGEST_ID :]
    return f"{score:.4g}  ({score - threshold:+.2g})\n{name}"
