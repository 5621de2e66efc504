"""Oracle: the costs a figure was given are the costs it shows."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from iad.report.figures.costs import NO_COSTS, CostLine, cost_curves, no_costs
from iad.report.figures.style import METHOD_COLOURS, png


def drawn(scale=1.0):
    rates, shares = np.array([0.0, 0.1, 1.0]), np.array([0.001, 0.02, 0.5])
    return cost_curves(
        curves={"vit": CostLine(rates, scale * np.array([200.0, 110.0, 980.0]))},
        deployed={"vit": (0.1, scale * 110.0)},
        by_defect_rate={"vit": CostLine(shares, scale * np.array([100.0, 110.0, 1300.0]))},
        ship_everything=CostLine(shares, scale * np.array([10.0, 200.0, 5000.0])),
        reject_everything=CostLine(shares, scale * np.array([999.0, 980.0, 500.0])),
        trivial=(scale * 200.0, scale * 980.0),
        max_false_alarm_rate=0.05,
        defect_rate=0.02,
    )


def lines_of(axes):
    return [line.get_xydata().tolist() for line in axes.lines if to_hex(line.get_color()).upper() == METHOD_COLOURS[0]]


def test_the_curve_is_drawn_through_its_points_with_a_dot_at_the_threshold_in_use():
    left, right = drawn().axes
    assert lines_of(left) == [[[0, 200], [0.1, 110], [1, 980]], [[0.1, 110]]]
    assert lines_of(right) == [[[0.001, 100], [0.02, 110], [0.5, 1300]]]


def test_the_trivial_strategies_are_named_with_their_costs():
    left, right = drawn().axes
    assert {text.get_text() for text in left.texts} == {"ship everything: 200", "reject everything: 980"}
    assert {text.get_text() for text in right.texts} == {"ship everything", "reject everything"}


def test_equal_numbers_give_equal_bytes():
    assert png(drawn()) == png(drawn())


@pytest.mark.parametrize("scale", [1.0, 0.01, 1e6])
def test_costs_within_one_power_of_ten_are_labelled_without_formulas(scale):
    figure = drawn(scale)
    left, _ = figure.axes
    left.set_ylim(200 * scale, 900 * scale)
    assert png(figure)
    written = [text.get_text() for text in figure.findobj(Text) if text.get_text()]
    assert not [text for text in written if "$" in text]
    minor = [label.get_text() for label in left.get_yticklabels(minor=True) if label.get_text()]
    assert minor


def test_prices_of_0_are_drawn_on_a_linear_axis():
    figure = drawn(scale=0.0)
    assert {axes.get_yscale() for axes in figure.axes} == {"linear"}
    assert png(figure)


def test_without_costs_a_small_figure_says_why():
    (axes,) = no_costs().axes
    assert [text.get_text() for text in axes.texts] == [NO_COSTS]
