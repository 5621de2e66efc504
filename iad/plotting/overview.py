"""The one picture that tells the result: what goes in, how the methods rank it, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iad.plotting.curves import OperatingPoint, Points, draw_precision_recall, draw_roc
from iad.plotting.style import BAD, GOOD, INK, MUTED, bare, method_colours, new_figure, note, styled

WIDTH, HEIGHT = 1600, 520
PANEL = 340  # side of a panel with curves
TILE, GAP = 148, 10
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
    scored_by: str,
    roc: Mapping[str, Points],
    precision_recall: Mapping[str, Points],
    roc_deployed: Mapping[str, OperatingPoint],
    precision_recall_deployed: Mapping[str, OperatingPoint],
    auroc: Mapping[str, Estimate],
    labels: Mapping[str, str],
) -> Figure:
    """Draw examples, both curves and the AUROC of every method. Mappings go from method to value.

    Args:
        good: good test pictures.
        defective: defective test pictures.
        scored_by: the method whose scores stand below the examples.
        roc: curves; x = false-alarm rate, y = recall. Empty where the test pictures are of one class.
        precision_recall: curves; x = recall, y = precision.
        roc_deployed: (false-alarm rate, recall) at the threshold in use.
        precision_recall_deployed: (recall, precision) at the threshold in use.
        auroc: estimates.
        labels: what stands behind each method, such as the name of its backbone.
    """
    figure = new_figure(WIDTH, HEIGHT)
    _draw_examples(figure, 20, 70, "Good parts", GOOD, good)
    _draw_examples(figure, 20, 292, "Defective parts", BAD, defective)
    panels = [_panel(figure, left, 70, width, PANEL) for left, width in ((570, PANEL), (990, PANEL), (1370, 215))]
    if not roc:
        for axes in panels:
            note(axes, ONE_CLASS)
        return figure
    draw_precision_recall(panels[0], precision_recall, precision_recall_deployed)
    draw_roc(panels[1], roc, roc_deployed)
    draw_estimates(panels[2], auroc, labels)
    return figure


def draw_estimates(axes: Axes, auroc: Mapping[str, Estimate], labels: Mapping[str, str]) -> None:
    """Draw a dot and a whisker for each method, the best on top; the method's name above it tells its colour."""
    colours = method_colours(auroc)
    ranked = sorted(auroc, key=lambda method: auroc[method].value, reverse=True)
    for place, method in enumerate(ranked):
        found = auroc[method]
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [place, place], color=colours[method], linewidth=2.4)
        axes.plot(found.value, place, "o", color=colours[method], markersize=7)
        axes.annotate(
            method,
            (0, place),
            xycoords=("axes fraction", "data"),
            xytext=(0, 20),
            textcoords="offset points",
            color=colours[method],
            fontweight="bold",
            fontsize=9.5,
        )
        axes.annotate(
            f"{found.value:.3f}",
            (1, place),
            xycoords=("axes fraction", "data"),
            xytext=(0, 20),
            textcoords="offset points",
            ha="right",
            fontsize=9.5,
        )
        axes.annotate(
            labels.get(method, ""),
            (0, place),
            xycoords=("axes fraction", "data"),
            xytext=(0, 10),
            textcoords="offset points",
            color=MUTED,
            fontsize=7,
        )
    axes.set(title="AUROC", ylim=(len(ranked) - 0.5, -0.75), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")


def _draw_examples(figure: Figure, left: int, top: int, title: str, colour: str, examples: Examples) -> None:
    figure.text(left / WIDTH, 1 - (top - 14) / HEIGHT, title, color=colour, fontsize=10, fontweight="bold", va="bottom")
    for place, picture in enumerate(examples.pictures[:3]):
        axes = _panel(figure, left + place * (TILE + GAP), top, TILE, TILE)
        axes.imshow(picture)
        bare(axes)
        verdict = "rejected" if examples.rejected[place] else "passed"
        axes.set_xlabel(f"{examples.scores[place]:.3g} {verdict}", fontsize=8, color=INK, labelpad=3)


def _panel(figure: Figure, left: int, top: int, width: int, height: int) -> Axes:
    return figure.add_axes((left / WIDTH, 1 - (top + height) / HEIGHT, width / WIDTH, height / HEIGHT))
