"""What one method says of the test pictures: where its scores lie, its verdicts, and the pictures it gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, NullFormatter

from iad.report.figures.style import BAD, GOOD, INK, MUTED, bare, draw_picture, new_figure, pixel_axes, styled
from iad.words import printable

BINS = 40
WIDE = 8  # highest score over median score, from which on the axis is logarithmic
RIGHT = LinearSegmentedColormap.from_list("right", ["#F3F5F7", "#A9C9E0"])
WRONG = LinearSegmentedColormap.from_list("wrong", ["#F3F5F7", BAD])
NAMES = (("passed rightly", "false alarms"), ("misses", "caught"))
COLUMNS, FEWEST_COLUMNS = 8, 4
TILE, CAPTION, HEADER, GAP = 186, 68, 84, 12  # pixels
LONGEST_ID = 20  # characters that fit below a picture


@styled
def score_histogram(
    title: str, good: np.ndarray, defective: np.ndarray, calibration: np.ndarray, threshold: float
) -> Figure:
    """Draw the share of pictures per bin of score, for each of three groups, and the threshold.

    Positive scores that spread widely are drawn on a logarithmic axis.

    Args:
        title: the method.
        good: float64 `(A,)`, scores of good test pictures; may be empty.
        defective: float64 `(B,)`, scores of defective test pictures; may be empty.
        calibration: float64 `(C,)`, scores of the good pictures behind the threshold.
        threshold: parts with `score >= threshold` are rejected.
    """
    figure = new_figure(1120, 520)
    axes = figure.add_axes((0.09, 0.145, 0.885, 0.72))
    everything = np.concatenate([good, defective, calibration, [threshold]])
    edges, scale = _bins(everything)
    _bars(axes, good, edges, f"good ({good.size})", facecolor=GOOD, alpha=0.75)
    _bars(axes, defective, edges, f"defective ({defective.size})", facecolor=BAD, alpha=0.6)
    outline = {"histtype": "step", "edgecolor": INK, "linewidth": 1.1}
    _bars(axes, calibration, edges, f"calibration, good ({calibration.size})", fill=False, **outline)
    _draw_threshold(axes, threshold, on_the_left=threshold > edges[3 * BINS // 4])
    axes.set(title=title, xlabel="anomaly score", ylabel="share of the group", xlim=(edges[0], edges[-1]), xscale=scale)
    axes.xaxis.set_major_formatter(lambda score, _: f"{score:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    figure.legend(loc="upper right", bbox_to_anchor=(0.985, 0.995), ncols=3, frameon=False, handlelength=1.2)
    return figure


@styled
def confusion_matrix(method: str, counts: np.ndarray) -> Figure:
    """Draw a confusion matrix; rows are labels (good, defective), columns verdicts (passed, rejected).

    Args:
        method: its name, for the title.
        counts: int64 `(2, 2)`, `[[TN, FP], [FN, TP]]`.
    """
    figure = new_figure(720, 600)
    axes = figure.add_axes((0.17, 0.03, 0.8, 0.76))
    axes.set(xlim=(0, 2), ylim=(2, 0))
    bare(axes)
    for row in range(2):
        for column in range(2):
            _cell(axes, row, column, counts)
    axes.set_xticks([0.5, 1.5], ["passed", "rejected"])
    axes.set_yticks([0.5, 1.5], ["good", "defective"])
    axes.tick_params(length=0, labelsize=10, labelcolor=INK, labeltop=True, labelbottom=False)
    figure.text(0.17, 0.93, method, fontsize=11, fontweight="bold")
    return figure


@styled
def picture_strip(
    title: str, pictures: np.ndarray, image_ids: Sequence[str], scores: Sequence[float], threshold: float
) -> Figure:
    """Draw pictures in reading order, each with its score, how far that is from the threshold, and the end of its id.

    Args:
        title: what they have in common.
        pictures: uint8 `(K, H, W, 3)`; K = 0 gives a small figure with the title alone.
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


def _bins(scores: np.ndarray) -> tuple[np.ndarray, str]:
    low, high = float(scores.min()), float(scores.max())
    if low > 0 and high > WIDE * float(np.median(scores)):
        return np.geomspace(low, high, BINS + 1), "log"
    return np.histogram_bin_edges(scores, bins=BINS), "linear"


def _bars(axes: Axes, scores: np.ndarray, edges: np.ndarray, label: str, **look: Any) -> None:
    if scores.size:
        weights = np.full(scores.size, 1 / scores.size)
        axes.hist(scores, bins=edges.tolist(), weights=weights, label=label, **look)


def _draw_threshold(axes: Axes, threshold: float, *, on_the_left: bool) -> None:
    axes.axvline(threshold, color=INK, linewidth=1.4, linestyle=(0, (4, 2)))
    axes.annotate(
        f"threshold {threshold:.4g}\nrejected \u2192",
        (threshold, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-5 if on_the_left else 5, -2),
        textcoords="offset points",
        ha="right" if on_the_left else "left",
        va="top",
        fontsize=8.5,
    )


def _cell(axes: Axes, row: int, column: int, counts: np.ndarray) -> None:
    total = int(counts[row].sum())
    share = counts[row, column] / max(total, 1)
    colour = (RIGHT if row == column else WRONG)(share)
    axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="white", linewidth=3))
    middle = column + 0.5
    axes.text(middle, row + 0.44, f"{counts[row, column]}", fontsize=22, fontweight="bold", ha="center", va="center")
    line = f"{NAMES[row][column]}, {100 * share:.1f} %" if total else f"{NAMES[row][column]}, no picture"
    axes.text(middle, row + 0.7, line, fontsize=8.5, color=INK if total else MUTED, ha="center", va="center")


def _caption(image_id: str, score: float, threshold: float) -> str:
    image_id = printable(image_id)  # in one line
    name = image_id if len(image_id) <= LONGEST_ID else "\u2026" + image_id[1 - LONGEST_ID :]
    side = "above" if score >= threshold else "below"
    return f"{score:.4g}, {abs(score - threshold):.2g} {side}\n{name}"
