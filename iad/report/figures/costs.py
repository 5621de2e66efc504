"""Expected cost per 1,000 parts: against the false-alarm rate, and against the share of defective parts on the line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatter, LogLocator, NullFormatter

from iad.report.figures.style import FAINT, MUTED, Dot, legend_label, method_lines, new_figure, note, styled

WIDTH, HEIGHT = 1600, 640  # pixels
RATES = (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
LINEAR_BELOW = 0.01  # the axis of false-alarm rates is linear up to here, so that it has a 0, and logarithmic beyond
NO_COSTS = "Costs need good and defective test pictures, and a defect rate between 0 and 1"
LOWEST = 1e-3  # share of the highest cost that is still drawn on the logarithmic axis


@dataclass(frozen=True, eq=False)
class CostLine:
    """Cost along an axis.

    Attributes:
        x: float64 `(P,)`, false-alarm rates or defect rates.
        y: float64 `(P,)`, expected cost per 1,000 parts.
    """

    x: np.ndarray
    y: np.ndarray


@styled
def cost_curves(
    *,
    curves: Mapping[str, CostLine],
    deployed: Mapping[str, Dot],
    by_defect_rate: Mapping[str, CostLine],
    ship_everything: CostLine,
    reject_everything: CostLine,
    trivial: tuple[float, float],
    max_false_alarm_rate: float,
    defect_rate: float,
) -> Figure:
    """Draw both panels. Mappings go from method to value; costs are per 1,000 parts.

    Args:
        curves: cost at each threshold against the false-alarm rate, at the expected defect rate.
        deployed: (false-alarm rate, cost) at the threshold in use.
        by_defect_rate: cost of the threshold in use against the defect rate.
        ship_everything: cost of passing every part against the defect rate.
        reject_everything: cost of rejecting every part against the defect rate.
        trivial: costs of shipping and of rejecting everything at the expected defect rate.
        max_false_alarm_rate: limit for the cheapest threshold.
        defect_rate: the expected one.
    """
    figure = new_figure(WIDTH, HEIGHT)
    left, right = (figure.add_axes(box) for box in ((0.06, 0.14, 0.4, 0.72), (0.56, 0.14, 0.4, 0.72)))
    looks = method_lines(curves)
    _draw_thresholds(left, curves, deployed, trivial, max_false_alarm_rate, looks)
    _draw_defect_rates(right, by_defect_rate, ship_everything, reject_everything, defect_rate, looks)
    return figure


@styled
def no_costs() -> Figure:
    """A small figure that says why there is nothing to draw."""
    figure = new_figure(WIDTH, 160)
    note(figure.add_axes((0, 0, 1, 1)), NO_COSTS)
    return figure


def _draw_thresholds(
    axes: Axes,
    curves: Mapping[str, CostLine],
    deployed: Mapping[str, Dot],
    trivial: tuple[float, float],
    limit: float,
    looks: Mapping[str, Mapping[str, Any]],
) -> None:
    axes.axvspan(limit, 1, color=FAINT, alpha=0.45, linewidth=0)
    for method, curve in curves.items():
        axes.plot(curve.x, curve.y, label=legend_label(method), **looks[method])
    for cost, text in zip(trivial, ("ship everything", "reject everything"), strict=True):
        axes.axhline(cost, color=MUTED, linewidth=0.9, linestyle=(0, (4, 2)))
        _label(axes, f"{text}: {cost:.4g}", (0.0, cost), "left")
    for method, (x, y) in deployed.items():
        axes.plot(x, y, "o", color=looks[method]["color"], markersize=7, markeredgecolor="white", zorder=5)
    axes.set_xscale("symlog", linthresh=LINEAR_BELOW, linscale=0.5)
    axes.set_xlim(0, 1)
    axes.set_xticks(RATES, [f"{100 * rate:g}" for rate in RATES])
    axes.minorticks_off()
    _frame(axes, "Which threshold", "good parts rejected, % (grey: above the limit)", max(trivial))
    axes.legend(loc="lower right", frameon=False, fontsize=8, title="\u25cf  threshold in use", title_fontsize=8)


def _draw_defect_rates(
    axes: Axes,
    lines: Mapping[str, CostLine],
    ship: CostLine,
    reject: CostLine,
    defect_rate: float,
    looks: Mapping[str, Mapping[str, Any]],
) -> None:
    axes.axvline(defect_rate, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)))
    for line, text, at in ((ship, "ship everything", 4 * len(ship.x) // 5), (reject, "reject everything", 0)):
        axes.plot(line.x, line.y, color=MUTED, linewidth=0.9, linestyle=(0, (4, 2)))
        _label(axes, text, (float(line.x[at]), float(line.y[at])), "right" if at else "left")
    for method, line in lines.items():
        axes.plot(line.x, line.y, **looks[method])
    axes.set_xscale("log")
    axes.set_xlim(float(ship.x[0]), float(ship.x[-1]))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{100 * rate:.3g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    _frame(
        axes,
        "Which lines it pays for",
        "defective parts on the line, % (dotted: expected)",
        float(ship.y.max() + reject.y.max()),
    )


def _label(axes: Axes, text: str, point: Dot, side: str) -> None:
    shift = (4 if side == "left" else -6, 3)
    axes.annotate(text, point, xytext=shift, textcoords="offset points", ha=side, color=MUTED, fontsize=8)


def _frame(axes: Axes, title: str, x: str, highest: float) -> None:
    axes.set(title=title, xlabel=x, ylabel="expected cost per 1,000 parts")
    if highest > 0:
        axes.set_yscale("log", nonpositive="clip")
        axes.set_ylim(bottom=max(axes.get_ylim()[0], LOWEST * highest))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda cost, _: f"{cost:,.6g}"))
    axes.yaxis.set_minor_formatter(LogFormatter())  # the one that is set by itself writes formulas
    axes.grid(visible=True)
