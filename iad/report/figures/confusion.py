"""Verdicts against labels: four counts, and what share of its row each is."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from iad.report.figures.style import BAD, INK, MUTED, bare, new_figure, styled

RIGHT = LinearSegmentedColormap.from_list("right", ["#F3F5F7", "#A9C9E0"])
WRONG = LinearSegmentedColormap.from_list("wrong", ["#F3F5F7", BAD])
NAMES = (("passed rightly", "false alarms"), ("misses", "caught"))


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


def _cell(axes: Axes, row: int, column: int, counts: np.ndarray) -> None:
    total = int(counts[row].sum())
    share = counts[row, column] / max(total, 1)
    colour = (RIGHT if row == column else WRONG)(share)
    axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="white", linewidth=3))
    middle = column + 0.5
    axes.text(middle, row + 0.44, f"{counts[row, column]}", fontsize=22, fontweight="bold", ha="center", va="center")
    line = f"{NAMES[row][column]}, {100 * share:.1f} %" if total else f"{NAMES[row][column]}, no picture"
    axes.text(middle, row + 0.7, line, fontsize=8.5, color=INK if total else MUTED, ha="center", va="center")
