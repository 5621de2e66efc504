"""Oracle: a line of 1,000 parts counted by hand, and every threshold tried in a loop."""

import numpy as np
import pytest

from iad.decision.costs import (
    Prices,
    cheapest,
    escapes,
    expected_cost,
    operating_point,
    overkill,
    reject_everything,
    ship_everything,
)
from iad.errors import IadError

LINE = Prices(miss=10, false_alarm=1, defect_rate=0.02)  # 20 defective and 980 good parts


def test_a_line_of_1000_parts_by_hand():
    found = operating_point(6.5, 0.75, 0.05, LINE)
    assert (found.escapes, found.overkill) == pytest.approx((5, 49))
    assert found.cost == pytest.approx(5 * 10 + 49 * 1)
    assert (found.threshold, found.recall, found.false_alarm_rate) == (6.5, 0.75, 0.05)


def test_the_trivial_strategies_pay_for_one_class_alone():
    assert ship_everything(LINE) == pytest.approx(20 * 10)
    assert reject_everything(LINE) == pytest.approx(980 * 1)


def test_a_perfect_method_costs_nothing():
    assert expected_cost(1.0, 0.0, LINE) == 0


def test_rates_may_be_arrays_of_any_shape():
    recall, alarms = np.array([[0.5, 1.0]]), np.array([[0.0, 0.1]])
    np.testing.assert_allclose(expected_cost(recall, alarms, LINE), [[100, 98]])
    np.testing.assert_allclose(escapes(recall, 0.02), [[10, 0]])
    np.testing.assert_allclose(overkill(alarms, 0.02), [[0, 98]])


def counted(labels, scores):
    """Rates at every distinct score, and above all of them, by counting."""
    thresholds = np.array([scores.max() + 1, *sorted(set(scores), reverse=True)])
    recall = np.array([(scores[labels == 1] >= threshold).mean() for threshold in thresholds])
    alarms = np.array([(scores[labels == 0] >= threshold).mean() for threshold in thresholds])
    return thresholds, recall, alarms


@pytest.fixture
def rates():
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], [40, 30])
    return counted(labels, (generator.normal(size=70) + 1.5 * labels).round(1))


@pytest.mark.parametrize("limit", [0.0, 0.05, 0.2, 1.0])
@pytest.mark.parametrize("miss", [0.1, 10, 500])
def test_the_cheapest_threshold_is_that_of_a_loop_over_all(rates, miss, limit):
    prices = Prices(miss=miss, false_alarm=1, defect_rate=0.02)
    points = [operating_point(*point, prices) for point in zip(*rates, strict=True)]
    best = min((point for point in points if point.false_alarm_rate <= limit), key=lambda point: point.cost)
    assert cheapest(*rates, prices, limit) == best


def test_where_nothing_pays_the_cheapest_threshold_passes_every_part(rates):
    found = cheapest(*rates, Prices(miss=0, false_alarm=1, defect_rate=0.02), 1.0)
    assert (found.recall, found.false_alarm_rate, found.threshold) == (0, 0, rates[0][0])


def test_a_dear_miss_and_no_limit_reject_every_part(rates):
    found = cheapest(*rates, Prices(miss=1e9, false_alarm=1, defect_rate=0.02), 1.0)
    assert found.recall == 1


def test_a_limit_that_no_threshold_keeps_is_refused(rates):
    thresholds, recall, alarms = (column[-1:] for column in rates)
    with pytest.raises(
        IadError, match=r"no threshold keeps the false-alarm rate at or below 0\.1; set the limit to 1 or more"
    ):
        cheapest(thresholds, recall, alarms, LINE, 0.1)


@pytest.mark.parametrize("times", [2, 7])
def test_more_defective_test_pictures_of_the_same_kind_change_no_cost(times):
    generator = np.random.default_rng(1)
    labels = np.repeat([0, 1], [30, 20])
    scores = (generator.normal(size=50) + labels).round(1)
    more = np.concatenate([np.arange(50), *[np.flatnonzero(labels)] * (times - 1)])
    first, second = (cheapest(*counted(labels[rows], scores[rows]), LINE, 0.1) for rows in (np.arange(50), more))
    assert second == first


@pytest.mark.parametrize("defect_rate", [0, 1, -0.1])
def test_a_line_of_one_class_has_no_cost(defect_rate):
    with pytest.raises(IadError, match="defect rate"):
        Prices(miss=1, false_alarm=1, defect_rate=defect_rate)
