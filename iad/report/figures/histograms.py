"""Where the scores of good and defective parts lie, and where the threshold cuts."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from iad.report.figures.style import BAD, GOOD, INK, new_figure, styled

BINS = 40
WIDE = 8  # highest score over median score, from which on the axis is logarithmic


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
