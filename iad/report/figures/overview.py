"""The one picture that tells the result: what goes in, how the methods rank it, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from iad.metrics.curves import Curve
from iad.report.figures.style import (
    BAD,
    GOOD_TEXT,
    MUTED,
    Dot,
    draw_picture,
    method_lines,
    new_figure,
    note,
    pixel_axes,
    styled,
)

WIDTH, HEIGHT = 1600, 500  # pixels, as all sizes here
LEFT, TOP = 18, 62
TILE, GAP = 146, 10
PANEL = 330  # side of a panel with curves
ROOMY = 4  # so many methods have large names, and their backbones below
CROWDED = 9  # from so many on names are small
PANELS = ((572, PANEL), (980, PANEL), (1364, 212))
ONE_CLASS = "Curves and AUROC need good and defective test pictures"


@dataclass(frozen=True, eq=False)
class Examples:
    """Pictures of one kind, with the score and the verdict of one method.

    Attributes:
        pictures: uint8 `(K, H, W, 3)`; three fit.
        scores: float64 `(K,)`.
        rejected: bool `(K,)`.
    """

    pictures: np.ndarray
    scores: np.ndarray
    rejected: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """A metric and, where there is one, its interval."""

    value: float
    low: float | None
    high: float | None


@styled
def overview(
    *,
    good: Examples,
    defective: Examples,
    caption: str,
    roc: Mapping[str, Curve],
    precision_recall: Mapping[str, Curve],
    roc_deployed: Mapping[str, Dot],
    precision_recall_deployed: Mapping[str, Dot],
    auroc: Mapping[str, Estimate],
    confidence: float,
    labels: Mapping[str, str],
) -> Figure:
    """Draw examples, both curves and the AUROC of every method. Mappings go from method to value.

    Args:
        good: good test pictures.
        defective: defective test pictures.
        caption: what the numbers below the examples are.
        roc: curves; x = false-alarm rate, y = recall. Empty where the test pictures are of one class.
        precision_recall: curves; x = recall, y = precision.
        roc_deployed: (false-alarm rate, recall) at the threshold in use.
        precision_recall_deployed: (recall, precision) at the threshold in use.
        auroc: estimates.
        confidence: of their intervals, in (0, 1).
        labels: what stands behind each method, such as the name of its backbone.
    """
    figure = new_figure(WIDTH, HEIGHT)
    canvas = pixel_axes(figure)
    _draw_examples(canvas, TOP, "Good parts", GOOD_TEXT, good)
    _draw_examples(canvas, TOP + TILE + 72, "Defective parts", BAD, defective)
    canvas.text(LEFT, HEIGHT - 12, caption, color=MUTED, fontsize=7.5)
    if not roc:
        note(_panel(figure, PANELS[0][0], WIDTH - PANELS[0][0]), ONE_CLASS)
        return figure
    panels = [_panel(figure, left, width) for left, width in PANELS]
    draw_precision_recall(panels[0], precision_recall, precision_recall_deployed)
    draw_roc(panels[1], roc, roc_deployed)
    draw_estimates(panels[2], auroc, confidence, labels)
    return figure


def draw_precision_recall(axes: Axes, curves: Mapping[str, Curve], deployed: Mapping[str, Dot]) -> None:
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


def draw_roc(axes: Axes, curves: Mapping[str, Curve], deployed: Mapping[str, Dot]) -> None:
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


def draw_estimates(axes: Axes, auroc: Mapping[str, Estimate], confidence: float, labels: Mapping[str, str]) -> None:
    """Draw a dot and a whisker for each method, the best on top, and its name in the colour of its curves."""
    looks = method_lines(auroc)
    ranked = sorted(auroc, key=lambda method: auroc[method].value, reverse=True)
    roomy, crowded = len(ranked) <= ROOMY, len(ranked) >= CROWDED
    for row, method in enumerate(ranked):
        found, colour = auroc[method], looks[method]["color"]
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [row, row], linewidth=2.4, **looks[method])
        axes.plot(found.value, row, "o", color=colour, markersize=7 if roomy else 4, clip_on=False)
        lift, size = (18, 9.5) if roomy else ((3.5, 6) if crowded else (5, 7.5))
        _write(axes, row, lift, method, color=colour, fontweight="bold", fontsize=size)
        _write(axes, row, lift, f"{found.value:.3f}", right=True, fontsize=size)
        if roomy:
            _write(axes, row, 8, labels.get(method, ""), color=MUTED, fontsize=7)
    axes.set(title="AUROC", xlabel=f"{100 * confidence:g} % interval", ylim=(len(ranked) - 0.6, -0.85), yticks=[])
    axes.spines["left"].set_visible(False)
    _spread(axes, 0.08, 0.92)
    axes.xaxis.set_major_locator(MaxNLocator(3))


def _write(axes: Axes, row: int, lift: float, text: str, *, right: bool = False, **look: Any) -> None:
    # at an end of the row of a method, `lift` points above its whisker
    raised = axes.get_yaxis_transform() + ScaledTranslation(0, lift / 72, axes.figure.dpi_scale_trans)
    axes.text(int(right), row, text, transform=raised, ha="right" if right else "left", **look)


def _spread(axes: Axes, left: float, right: float) -> None:
    # give the data this part of the width, and the rest to words
    low, high = axes.dataLim.intervalx
    unit = max(high - low, 0.01) / (right - left)
    axes.set_xlim(low - left * unit, high + (1 - right) * unit)


def _draw_examples(axes: Axes, top: int, title: str, colour: str, examples: Examples) -> None:
    if len(examples.pictures):
        axes.text(LEFT, top - 18, title, color=colour, fontsize=10, fontweight="bold")
    for column, picture in enumerate(examples.pictures[:3]):
        left = LEFT + column * (TILE + GAP)
        draw_picture(axes, picture, left, top, TILE)
        verdict = "rejected" if examples.rejected[column] else "passed"
        line = f"{examples.scores[column]:.3g} {verdict}"
        axes.text(left + TILE / 2, top + TILE + 7, line, fontsize=8, ha="center", va="top")


def _panel(figure: Figure, left: int, width: int) -> Axes:
    return figure.add_axes((left / WIDTH, 1 - (TOP + PANEL) / HEIGHT, width / WIDTH, PANEL / HEIGHT))


def _mark(axes: Axes, deployed: Mapping[str, Dot], looks: Mapping[str, Mapping[str, Any]]) -> None:
    dot: dict[str, Any] = {"marker": "o", "markersize": 6, "markeredgecolor": "white", "zorder": 4, "clip_on": False}
    for method, (x, y) in deployed.items():
        axes.plot(x, y, color=looks[method]["color"], **dot)


def _frame(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y, xlim=(0, 1), ylim=(0, 1.005), aspect="equal")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    axes.yaxis.labelpad = 1.5
    axes.grid(visible=True)
