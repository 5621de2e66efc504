"""Where the scores of good and defective parts lie, and where the threshold cuts."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iad.plotting.style import BAD, GOOD, INK, new_figure, styled

BINS = 40


@styled
def score_histogram(
    method: str, good: np.ndarray, defective: np.ndarray, calibration: np.ndarray, threshold: float
) -> Figure:
    """Draw the share of pictures per bin of score, for each of three groups, and the threshold.

    Args:
        method: its name, for the title.
        good: float64 `(A,)`, scores of good test pictures; may be empty.
        defective: float64 `(B,)`, scores of defective test pictures; may be empty.
        calibration: float64 `(C,)`, scores of the good pictures behind the threshold.
        threshold: parts with `score >= threshold` are rejected.
    """
    figure = new_figure(1120, 560)
    axes = figure.add_axes((0.075, 0.14, 0.9, 0.66))
    everything = np.concatenate([good, defective, calibration, [threshold]])
    edges = np.histogram_bin_edges(everything, bins=BINS)
    _bars(axes, good, edges, f"good, {good.size} pictures", facecolor=GOOD, alpha=0.75)
    _bars(axes, defective, edges, f"defective, {defective.size} pictures", facecolor=BAD, alpha=0.6)
    _bars(
        axes, calibration, edges, f"calibration (good), {calibration.size} pictures",
        fill=False, edgecolor=INK, linewidth=1.0, histtype="step",
    )  # fmt: skip
    _draw_threshold(axes, threshold)
    axes.set(title=method, xlabel="anomaly score", ylabel="share of the group", xlim=(edges[0], edges[-1]))
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    figure.legend(loc="upper right", bbox_to_anchor=(0.985, 0.985), ncols=3, frameon=False, handlelength=1.2)
    return figure


def _bars(axes: Axes, scores: np.ndarray, edges: np.ndarray, label: str, **look: object) -> None:
    weights = np.full(scores.size, 1 / max(scores.size, 1))
    axes.hist(scores, bins=edges, weights=weights, label=label, **look)


def _draw_threshold(axes: Axes, threshold: float) -> None:
    axes.axvline(threshold, color=INK, linewidth=1.4, linestyle=(0, (4, 2)))
    axes.annotate(
        f"threshold {threshold:.4g}\nrejected →", (threshold, 1), xycoords=("data", "axes fraction"),
        xytext=(5, -2), textcoords="offset points", va="top", fontsize=8.5,
    )  # fmt: skip
