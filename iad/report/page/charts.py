"""Charts of the page: curves, costs and scores, with the numbers behind each point.

They carry no colour of text or background, so that the page gives them those of its light or dark look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from iad.report.figures.style import BAD, GOOD, method_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

HEIGHT = 420  # pixels
SCORES_HEIGHT = 240
DASHES = {"solid": "solid", "dashed": "dash", "dotted": "dot"}  # matplotlib's names and plotly's
MOST_POINTS = 4000  # scores in one chart: a browser draws more slowly, and the page grows
WIDE = 30.0  # times the median, from which on scores are drawn by their logarithm
CLEAR = "rgba(0,0,0,0)"
CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}


@dataclass(frozen=True)
class Axes:
    """A chart of one curve per method.

    Attributes:
        x: column along it.
        y: column upwards.
        x_title: what `x` is.
        y_title: what `y` is.
        until: how far along it the chart shows at first; what lies beyond can be dragged into view.
        shape: plotly's word for how points are joined: "linear", or "vh" for steps.
    """

    x: str
    y: str
    x_title: str
    y_title: str
    until: float = 1.0
    shape: str = "linear"


ROC = Axes("false_positive_rate", "true_positive_rate", "false-alarm rate", "recall")
PRECISION_RECALL = Axes("recall", "precision", "recall", "precision", shape="vh")
COST = Axes("false_alarm_rate", "cost_per_1000", "false-alarm rate", "expected cost per 1,000 parts", until=0.25)


def curves(table: pd.DataFrame, axes: Axes, in_use: Mapping[str, tuple[float, float]]) -> go.Figure:
    """A curve per method, with the threshold of each point to hover over, and a dot at the threshold in use.

    Args:
        table: columns `method`, `threshold` and those of `axes`, as `evaluate` writes them.
        axes: which.
        in_use: x and y of each method's verdicts.

    >>> table = pd.DataFrame({"method": ["ae"], "threshold": [1.0], "recall": [0.5], "precision": [0.9]})
    >>> [trace.name for trace in curves(table, PRECISION_RECALL, {"ae": (0.5, 0.9)}).data]
    ['ae', 'ae, threshold in use']
    """
    figure = go.Figure(layout=_layout(HEIGHT, axes.x_title, axes.y_title))
    if axes.until < 1:
        highest = float(table.loc[table[axes.x] <= axes.until, axes.y].max())
        figure.update_layout(xaxis_range=[-0.01, axes.until], yaxis_range=[0, 1.05 * highest])
    said = f"{axes.x_title} %{{x:.3f}}<br>{axes.y_title} %{{y:.4~g}}"
    for method, look in method_lines(table["method"].unique()).items():
        found = table[table["method"] == method]
        line = {"color": look["color"], "dash": DASHES[look["linestyle"]], "shape": axes.shape, "width": 2}
        figure.add_scatter(
            x=found[axes.x].tolist(), y=found[axes.y].tolist(), customdata=found["threshold"].tolist(), name=method,
            mode="lines", line=line, legendgroup=method,
            hovertemplate=f"{said}<br>threshold %{{customdata:.4~g}}<extra>{method}</extra>",
        )  # fmt: skip
        if method in in_use:
            x, y = in_use[method]
            figure.add_scatter(
                x=[x], y=[y], name=f"{method}, threshold in use", mode="markers", legendgroup=method, showlegend=False,
                marker={"color": look["color"], "size": 11, "line": {"width": 2, "color": "white"}},
                hovertemplate=f"{said}<extra>{method}, threshold in use</extra>",
            )  # fmt: skip
    return figure


def scores(table: pd.DataFrame, threshold: float) -> go.Figure:
    """The scores of one method's test pictures, each with its name to hover over, and the threshold.

    Args:
        table: columns `image_id`, `label` and `score`.
        threshold: pictures from here on are rejected.

    >>> table = pd.DataFrame({"image_id": ["a.png", "b.png"], "label": [0, 1], "score": [1.0, 3.0]})
    >>> [(trace.name, trace.text) for trace in scores(table, 2.0).data]
    [('good (1)', ('a.png',)), ('defective (1)', ('b.png',))]
    """
    figure = go.Figure(layout=_layout(SCORES_HEIGHT, "score, higher = more anomalous", ""))
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False, range=[-0.6, 1.6])
    for label, name, colour in ((0, "good", GOOD), (1, "defective", BAD)):
        found = table[table["label"] == label]
        shown = found.iloc[_evenly(len(found), MOST_POINTS)].sort_values("score")
        figure.add_scatter(
            x=shown["score"].tolist(), y=(label + _spread(len(shown))).tolist(), text=shown["image_id"].tolist(),
            mode="markers", name=f"{name} ({len(found):,})", marker={"color": colour, "size": 6, "opacity": 0.65},
            hovertemplate="%{text}<br>score %{x:.4~g}<extra>" + name + "</extra>",
        )  # fmt: skip
    figure.add_vline(x=threshold, line={"dash": "dash", "width": 1.5}, annotation_text=f"threshold {threshold:.4g}")
    values = table["score"].to_numpy()
    if len(values) and values.min() > 0 and values.max() > WIDE * np.median(values):
        figure.update_xaxes(type="log")
    return figure


def as_html(figure: go.Figure, name: str) -> str:
    """The chart as a part of a page that has plotly's script; equal figures give equal text.

    Args:
        figure: the chart.
        name: its id on the page.
    """
    found: str = figure.to_html(full_html=False, include_plotlyjs=False, div_id=name, config=CONFIG)
    return found


def _layout(height: int, x_title: str, y_title: str) -> dict[str, Any]:
    axis: dict[str, Any] = {"automargin": True, "zeroline": False}
    return {
        "height": height, "template": "none", "hovermode": "closest", "margin": {"l": 56, "r": 16, "t": 24, "b": 48},
        "paper_bgcolor": CLEAR, "plot_bgcolor": CLEAR, "modebar": {"bgcolor": CLEAR},
        "legend": {"orientation": "h", "y": -0.2},
        "xaxis": axis | {"title": {"text": x_title}}, "yaxis": axis | {"title": {"text": y_title}},
    }  # fmt: skip


def _evenly(count: int, most: int) -> Sequence[int]:
    return range(count) if count <= most else np.linspace(0, count - 1, most).astype(int).tolist()


def _spread(count: int) -> np.ndarray:
    """Heights in [-0.35, 0.35] that keep neighbours apart, the same every time (the golden ratio's multiples)."""
    return (np.arange(count) * 0.6180339887498949 % 1 - 0.5) * 0.7
