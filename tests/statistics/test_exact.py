"""Oracles: SciPy's exact interval of a rate, and how often the intervals hold the truth."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from iad.statistics.exact import Interval, clopper_pearson, interval_from_rates, perfect_auroc_interval


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.999])
@pytest.mark.parametrize(
    ("successes", "total"), [(0, 1), (1, 1), (0, 177), (177, 177), (12, 177), (244, 313), (9, 9999)]
)
def test_clopper_pearson_is_that_of_scipy(successes, total, confidence):
    found = clopper_pearson(successes, total, confidence)
    expected = binomtest(successes, total).proportion_ci(confidence, "exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-10)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5])
def test_clopper_pearson_holds_the_true_rate_at_least_as_often_as_it_says(rate):
    intervals = [clopper_pearson(count, 40, 0.9) for count in range(41)]
    held = [count for count, found in enumerate(intervals) if found.low <= rate <= found.high]
    assert binom.pmf(held, 40, rate).sum() >= 0.9


def test_the_lower_end_of_a_perfect_auroc_is_where_so_many_pairs_in_order_have_half_of_what_confidence_leaves():
    assert perfect_auroc_interval(1.0, 300, 20, 0.95) == Interval(
        pytest.approx(0.025 ** (1 / 20)), 1.0, "disjoint_pairs"
    )
    assert perfect_auroc_interval(0.0, 20, 300, 0.95).high == pytest.approx(1 - 0.025 ** (1 / 20))


def test_a_true_auroc_below_the_lower_end_rarely_gives_a_perfect_ranking():
    # scores of the two classes that are in order with a probability just below the end, for 10 and 30 pictures
    low = perfect_auroc_interval(1.0, 10, 30, 0.9).low
    share = np.sqrt(2 * (1 - low))  # anomalous scores uniform on [0, 1], normal ones on [share - 1, share]
    generator = np.random.default_rng(0)
    anomalous, normal = generator.random((4000, 10)), generator.random((4000, 30)) + share - 1
    perfect = (anomalous.min(axis=1) > normal.max(axis=1)).mean()
    assert perfect <= 0.05


def test_a_metric_of_two_rates_takes_its_ends_from_the_worst_and_the_best_of_both():
    recall, alarms = Interval(0.5, 0.9, "clopper_pearson"), Interval(0.0, 0.2, "clopper_pearson")
    found = interval_from_rates(lambda recall, alarms: recall - alarms, recall, alarms)
    assert found == Interval(pytest.approx(0.3), 0.9, "clopper_pearson_of_rates")
