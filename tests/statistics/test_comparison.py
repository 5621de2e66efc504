"""Oracles: DeLong's components and covariances by double loops, and SciPy's exact binomial test."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import binomtest

from iad.errors import IadError
from iad.metrics.image import auroc
from iad.statistics.bootstrap import bootstrap_samples
from iad.statistics.comparison import delong, holm, mcnemar, paired_bootstrap


def wins(anomalous, normal):
    return 1.0 if anomalous > normal else 0.5 if anomalous == normal else 0.0


def slow_delong(labels, *methods):
    """Difference and variance from the 2 x 2 covariance matrix, written as the paper defines it."""
    above, below, areas = [], [], []
    for scores in methods:
        anomalous, normal = scores[labels == 1], scores[labels == 0]
        above.append([sum(wins(x, y) for y in normal) / len(normal) for x in anomalous])
        below.append([sum(wins(x, y) for x in anomalous) / len(anomalous) for y in normal])
        areas.append(sum(above[-1]) / len(anomalous))

    def covariance(parts, r, s):
        products = [(x - areas[r]) * (y - areas[s]) for x, y in zip(parts[r], parts[s], strict=True)]
        return sum(products) / (len(products) - 1) / len(products)

    def total(r, s):
        return covariance(above, r, s) + covariance(below, r, s)

    return areas[0] - areas[1], total(0, 0) + total(1, 1) - 2 * total(0, 1)


def two_methods(good=14, defective=21, *, shifts=(1.0, 0.4), seed=0, decimals=1):
    """Labels and scores of two methods that err on the same pictures; rounded, so that there are ties."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.array([0] * good + [1] * defective))
    shared = generator.normal(size=len(labels))
    return labels, *((shared + generator.normal(size=len(labels)) + shift * labels).round(decimals) for shift in shifts)


@pytest.mark.parametrize("seed", range(5))
def test_delong_is_that_of_the_double_loop_with_ties(seed):
    labels, a, b = two_methods(seed=seed)
    value, variance = slow_delong(labels, a, b)
    found = delong(labels, a, b)
    assert (found.value, found.standard_error) == pytest.approx((value, math.sqrt(variance)), abs=1e-12)
    assert found.value == pytest.approx(auroc(labels, a) - auroc(labels, b), abs=1e-12)
    assert found.p == pytest.approx(2 * NormalDist().cdf(-abs(value) / math.sqrt(variance)), abs=1e-12)


def test_the_interval_of_delong_reaches_its_quantile_to_both_sides():
    labels, a, b = two_methods()
    found = delong(labels, a, b, confidence=0.9)
    assert (found.high - found.value) / found.standard_error == pytest.approx(1.644854, abs=1e-6)
    assert found.value - found.low == pytest.approx(found.high - found.value)
    ends = delong(np.array([0, 0, 0, 1, 1, 1]), np.arange(6.0), np.array([6, 1, 4, 2, 5, 0.0]))
    assert ends.high == 1.0


def test_exchanging_the_methods_turns_the_sign_alone():
    labels, a, b = two_methods()
    forth, back = delong(labels, a, b), delong(labels, b, a)
    assert (back.value, back.low, back.high) == pytest.approx((-forth.value, -forth.high, -forth.low))
    assert back.p == pytest.approx(forth.p)


def test_the_order_of_the_pictures_does_not_matter():
    labels, a, b = two_methods()
    rows = np.random.default_rng(1).permutation(len(labels))
    assert delong(labels[rows], a[rows], b[rows]).p == pytest.approx(delong(labels, a, b).p)


PERFECT = np.arange(20.0)


@pytest.mark.parametrize("other", [PERFECT, np.exp(PERFECT), PERFECT // 10], ids=["same", "same ranks", "ties"])
def test_two_perfect_methods_do_not_differ(other):
    found = delong(np.repeat([0, 1], 10), PERFECT, other)
    assert (found.value, found.standard_error, found.low, found.high, found.p) == (0, 0, 0, 0, 1)


def test_a_perfect_method_against_chance_is_as_sure_as_the_pictures_allow():
    # each component differs by exactly one half, so DeLong's variance is 0
    for half in (2, 10):
        found = delong(np.repeat([0, 1], half), np.arange(2.0 * half), np.zeros(2 * half))
        assert (found.value, found.standard_error, found.p) == (0.5, 0, 2 / 4**half)


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1], [0, 1, 1], [0, 0, 1]])
def test_a_class_of_less_than_two_pictures_gives_no_test(labels):
    assert delong(np.array(labels), np.arange(3.0), np.arange(3.0)[::-1]) is None


def test_scores_that_cannot_be_ranked_are_refused_with_their_method():
    labels, a, b = two_methods()
    with pytest.raises(IadError, match=r"^scores of method b: 1 of 35 scores are not finite"):
        delong(labels, a, np.where(np.arange(35) == 3, np.nan, b))
    with pytest.raises(IadError, match=r"^scores of method b: 35 labels for 34 scores"):
        delong(labels, a, b[1:])


def test_equally_good_methods_are_called_different_about_5_times_in_100():
    trials = 1000
    called = sum(delong(*two_methods(60, 60, shifts=(1.0, 1.0), seed=seed)).p <= 0.05 for seed in range(trials))
    assert 0.03 <= called / trials <= 0.075  # 3 standard errors around 0.05, and DeLong is a little too sure


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 0), (0, 7), (6, 1), (5, 5), (12, 30), (400, 460)])
def test_mcnemar_is_scipys_exact_test_of_the_discordant_pictures(only_a, only_b):
    both, neither = [(True, True)] * 9, [(False, False)] * 4
    pairs = np.array([(True, False)] * only_a + [(False, True)] * only_b + both + neither)
    found = mcnemar(pairs[:, 0], pairs[:, 1])
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert (found.only_a, found.only_b) == (only_a, only_b)
    assert found.p == pytest.approx(expected, rel=1e-12)


def test_mcnemar_refuses_verdicts_on_other_pictures():
    with pytest.raises(IadError, match="verdicts of 2 and of 3 pictures"):
        mcnemar(np.zeros(2, dtype=bool), np.zeros(3, dtype=bool))


def samples_of(labels, scores, metric="auroc"):
    return bootstrap_samples(labels, scores, scores >= 1, draws=2000, seed=0)[metric]


def test_the_paired_bootstrap_agrees_with_delong_where_both_apply():
    labels, a, b = two_methods(150, 150, decimals=6)
    exact = delong(labels, a, b)
    found = paired_bootstrap(samples_of(labels, a), samples_of(labels, b), value=exact.value)
    assert found.standard_error == pytest.approx(exact.standard_error, rel=0.08)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.01)


def test_pairing_makes_the_difference_surer_than_two_separate_intervals():
    labels, a, b = two_methods(150, 150, decimals=6)
    first, second = samples_of(labels, a), samples_of(labels, b)
    paired = paired_bootstrap(first, second, value=0.1).standard_error
    assert paired < 0.8 * math.hypot(first.std(), second.std())


def test_the_p_value_of_the_bootstrap_counts_draws_of_the_other_sign():
    differences = np.array([-1.0, 0.0] + [1.0] * 97)
    found = paired_bootstrap(differences, np.zeros(99), value=1.0)
    assert found.p == pytest.approx(2 * (1 + 2) / 100)
    assert paired_bootstrap(np.ones(99), np.zeros(99), value=1.0).p == 0.02
    assert paired_bootstrap(np.ones(99), np.ones(99), value=0.0).p == 1.0


@pytest.mark.parametrize(("first", "second"), [(0, 0), (3, 2)])
def test_the_bootstrap_refuses_draws_that_do_not_pair(first, second):
    with pytest.raises(IadError, match=f"{first} and {second} bootstrap draws"):
        paired_bootstrap(np.zeros(first), np.zeros(second), value=0.0)


@pytest.mark.parametrize(
    ("given", "adjusted"),
    [
        ([], []),
        ([0.04], [0.04]),
        ([0.01, 0.02, 0.03, 0.005], [0.03, 0.04, 0.04, 0.02]),  # 0.005 x 4, 0.01 x 3, 0.02 x 2, 0.03 x 1 but not lower
        ([0.6, 0.5], [1.0, 1.0]),
        ([0.02, 0.02], [0.04, 0.04]),
    ],
)
def test_holm_by_hand(given, adjusted):
    assert holm(given) == pytest.approx(adjusted)


def test_holm_rejects_step_by_step_as_the_paper_does():
    generator = np.random.default_rng(0)
    for _ in range(200):
        p = generator.random(6) ** 3
        rejected = set()
        for place, index in enumerate(np.argsort(p)):
            if p[index] > 0.05 / (6 - place):
                break
            rejected.add(int(index))
        assert {row for row, value in enumerate(holm(p.tolist())) if value <= 0.05} == rejected
