"""Axes with precision-recall and ROC curves, one colour per method, each labelled where it stands apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes

from iad.report.figures.style import MUTED, method_lines

OperatingPoint = tuple[float, float]


class Points(Protocol):
    """Operating points of one method: `x` and `y`, float64 `(P,)` in [0, 1], by decreasing threshold."""

    @property
    def x(self) -> np.ndarray:
        """Recall, or the false-alarm rate."""
        ...

    @property
    def y(self) -> np.ndarray:
        """Precision, or recall."""
        ...


def draw_roc(axes: Axes, curves: Mapping[str, Points], deployed: Mapping[str, OperatingPoint]) -> None:
    """Draw ROC curves with straight lines between their points, chance, and a dot at each deployed threshold.

    Args:
        axes: to draw on.
        curves: by method; x = false-alarm rate, y = recall.
        deployed: (false-alarm rate, recall) of each method's verdicts.
    """
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.text(
        0.66, 0.62, "chance", color=MUTED, fontsize=8, rotation=45, rotation_mode="anchor", transform_rotates_text=True
    )
    looks = method_lines(curves)
    for method, curve in curves.items():
        axes.plot(curve.x, curve.y, **looks[method])
    _mark(axes, deployed, looks)
    _frame(axes, "ROC", "false-alarm rate", "recall")


def draw_precision_recall(axes: Axes, curves: Mapping[str, Points], deployed: Mapping[str, OperatingPoint]) -> None:
    """Draw precision-recall curves as steps, whose area is the average precision, and a dot at each deployed threshold.

    Args:
        axes: to draw on.
        curves: by method; x = recall, y = precision.
        deployed: (recall, precision) of each method's verdicts.
    """
    looks = method_lines(curves)
    share = min((float(curve.y[-1]) for curve in curves.values()), default=0.0)  # precision of rejecting every part
    axes.plot([0, 1], [share, share], color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.text(0.98, share - 0.02, "every part rejected", color=MUTED, fontsize=8, ha="right", va="top")
    axes.text(0.02, 0.03, "\u25cf  threshold in use", color=MUTED, fontsize=8)
    for method, curve in curves.items():
        axes.step(np.append(0.0, curve.x), np.append(curve.y[:1], curve.y), where="pre", **looks[method])
    _mark(axes, deployed, looks)
    _frame(axes, "Precision and recall", "recall", "precision")


def _mark(axes: Axes, deployed: Mapping[str, OperatingPoint], looks: Mapping[str, Mapping[str, Any]]) -> None:
    dot: dict[str, Any] = {"marker": "o", "markersize": 6, "markeredgecolor": "white", "zorder": 4, "clip_on": False}
    for method, (x, y) in deployed.items():
        axes.plot(x, y, color=looks[method]["color"], **dot)


def _frame(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y, xlim=(0, 1), ylim=(0, 1.005), aspect="equal")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    axes.yaxis.labelpad = 1.5
    axes.grid(visible=True)
