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

from iad.plotting.curves import OperatingPoint, Points, draw_precision_recall, draw_roc
from iad.plotting.style import (
    BAD,
    DPI,
    GOOD_TEXT,
    MUTED,
    draw_picture,
    method_colours,
    new_figure,
    note,
    pixel_axes,
    styled,
)

WIDTH, HEIGHT = 1600, 500  # pixels, as all sizes here
LEFT, TOP = 18, 62
TILE, GAP = 146, 10
PANEL = 330  # side of a panel with curves
PANELS = ((572, PANEL), (980, PANEL), (1364, 212))
ONE_CLASS = "needs good and defective\ntest pictures"


@dataclass(frozen=True, eq=False)
class Examples:
    """Pictures of one kind, with the score and the verdict of one method.

    Attributes:
        pictures: uint8 `(K, S, S, 3)`; three fit.
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
    roc: Mapping[str, Points],
    precision_recall: Mapping[str, Points],
    roc_deployed: Mapping[str, OperatingPoint],
    precision_recall_deployed: Mapping[str, OperatingPoint],
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
    panels = [_panel(figure, left, width) for left, width in PANELS]
    if not roc:
        for axes in panels:
            note(axes, ONE_CLASS)
        return figure
    draw_precision_recall(panels[0], precision_recall, precision_recall_deployed)
    draw_roc(panels[1], roc, roc_deployed)
    draw_estimates(panels[2], auroc, confidence, labels)
    return figure


def draw_estimates(axes: Axes, auroc: Mapping[str, Estimate], confidence: float, labels: Mapping[str, str]) -> None:
    """Draw a dot and a whisker for each method, the best on top; the method's name above it tells its colour."""
    colours = method_colours(auroc)
    ranked = sorted(auroc, key=lambda method: auroc[method].value, reverse=True)
    for place, method in enumerate(ranked):
        found, colour = auroc[method], colours[method]
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [place, place], color=colour, linewidth=2.4)
        axes.plot(found.value, place, "o", color=colour, markersize=7, clip_on=False)
        _name_estimate(axes, place, len(ranked), (method, labels.get(method, ""), f"{found.value:.3f}"), colour)
    axes.set(title="AUROC", xlabel=f"{100 * confidence:g} % interval", ylim=(len(ranked) - 0.6, -0.85), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(3))


def _name_estimate(axes: Axes, place: int, methods: int, texts: tuple[str, str, str], colour: str) -> None:
    row = PANEL / DPI * 72 / (methods + 0.25)  # points from one method to the next
    size = 9.5 if row > 20 else 7.5
    name, behind, value = texts
    roomy = row > 34

    def write(text: str, x: int, lift: float, **look: Any) -> None:
        at = axes.get_yaxis_transform()
        raised = at + ScaledTranslation(0, lift / 72, axes.figure.dpi_scale_trans)
        axes.text(x, place, text, transform=raised, ha="right" if x else "left", **look)

    write(name, 0, 18 if roomy else 0.2 * row, color=colour, fontweight="bold", fontsize=size)
    write(value, 1, 18 if roomy else 0.2 * row, fontsize=size)
    if roomy:
        write(behind, 0, 8, color=MUTED, fontsize=7)


def _draw_examples(axes: Axes, top: int, title: str, colour: str, examples: Examples) -> None:
    axes.text(LEFT, top - 18, title, color=colour, fontsize=10, fontweight="bold")
    for place, picture in enumerate(examples.pictures[:3]):
        left = LEFT + place * (TILE + GAP)
        draw_picture(axes, picture, left, top, TILE)
        verdict = "rejected" if examples.rejected[place] else "passed"
        line = f"{examples.scores[place]:.3g}  {verdict}"
        axes.text(left + TILE / 2, top + TILE + 7, line, fontsize=8, ha="center", va="top")


def _panel(figure: Figure, left: int, width: int) -> Axes:
    return figure.add_axes((left / WIDTH, 1 - (TOP + PANEL) / HEIGHT, width / WIDTH, PANEL / HEIGHT))
