"""Oracles: the percentile by its definition; conformal p-values counted one by one, in exact fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iad.decision.conformal import conformal, maximum, p_values, percentile
from iad.decision.promises import SCHEMES
from iad.errors import IadError

ALPHAS = st.decimals("0.001", "0.999", places=3).map(float)
TIED = st.lists(st.integers(0, 12).map(float), min_size=1, max_size=60)
DRAWS = 2000


def percentile_oracle(scores, percentile):
    ordered = sorted(scores)
    place = (len(ordered) - 1) * percentile / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def p_value(scores, score):
    return Fraction(1 + sum(other >= score for other in scores), len(scores) + 1)


def knn_scores(bank, queries, *, k, metric="euclidean", aggregate="mean"):
    """Distance to the k nearest of a bank, by taking all differences."""
    if metric == "cosine":
        bank, queries = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (bank, queries))
    distances = np.linalg.norm(queries[:, None] - bank[None], axis=2)
    nearest = np.sort(distances**2 / 2 if metric == "cosine" else distances, axis=1)[:, :k]
    return nearest.mean(axis=1) if aggregate == "mean" else nearest[:, -1]


def leave_one_out_scores(bank, **settings):
    return np.array(
        [knn_scores(np.delete(bank, row, axis=0), bank[row : row + 1], **settings)[0] for row in range(len(bank))]
    )


def above(score):
    return np.nextafter(score, np.inf)


def within(rates, low, high):
    """Whether the mean of these rates is between two limits, each within three standard errors."""
    error = 3 * np.std(rates, ddof=1) / math.sqrt(len(rates))
    return low - error <= np.mean(rates) <= high + error


@given(TIED, ALPHAS)
def test_conformal_rejects_exactly_the_scores_with_a_p_value_of_at_most_alpha(scores, alpha):
    wanted = Fraction(str(alpha))
    if wanted * (len(scores) + 1) < 1:
        with pytest.raises(IadError, match="cannot hold"):
            conformal(np.array(scores), "split", alpha=alpha)
        return
    threshold = conformal(np.array(scores), "split", alpha=alpha).value
    for score in {place for value in scores for place in (value, above(value), value - 1)}:
        assert (score >= threshold) == (p_value(scores, score) <= wanted)


@given(TIED, st.lists(st.integers(-1, 13).map(float), max_size=20))
def test_p_values_are_those_counted_one_by_one(calibration, scores):
    found = p_values(np.array(calibration), np.array(scores))
    assert found.dtype == np.float64
    assert found.tolist() == [float(p_value(calibration, score)) for score in scores]


@given(TIED, st.floats(0.001, 0.999))
def test_a_p_value_is_at_most_alpha_exactly_where_the_threshold_rejects(calibration, alpha):
    calibration = np.array(calibration)
    scores = np.array([place for value in calibration for place in (value, above(value), value - 1)])
    within_alpha = p_values(calibration, scores) <= alpha
    try:
        threshold = conformal(calibration, "split", alpha=alpha).value
    except IadError:
        assert not within_alpha.any()
    else:
        np.testing.assert_array_equal(within_alpha, scores >= threshold)


@pytest.mark.parametrize(("n", "alpha"), [(2, 1 / 3), (6, 1 / 7), (48, 1 / 49), (9, 0.1), (99, 0.29)])
def test_an_alpha_that_a_p_value_meets_exactly_is_held_with_the_fewest_pictures(n, alpha):
    calibration = np.arange(float(n))
    threshold = conformal(calibration, "split", alpha=alpha).value
    np.testing.assert_array_equal(p_values(calibration, calibration) <= alpha, calibration >= threshold)
    assert p_values(calibration, np.array([n + 1.0]))[0] <= alpha


def test_p_values_of_any_shape_keep_it_and_need_no_order():
    assert p_values(np.array([3.0, 1.0, 2.0]), np.array([[2.5], [0.0]])).tolist() == [[0.5], [1.0]]


def test_p_values_of_good_parts_are_no_smaller_than_uniform():
    generator, alpha = np.random.default_rng(0), 0.1
    rejected = [p_values(generator.random(29), generator.random(1))[0] <= alpha for _ in range(DRAWS)]
    assert within(rejected, alpha, alpha)  # 3 of 30 ranks


def test_a_hand_sized_case():
    # alpha (n + 1) = 1: a part must beat all nine; at 2 it may be beaten by the highest
    scores = np.arange(1.0, 10.0)
    assert conformal(scores, "split", alpha=0.1).value == above(9.0)
    assert conformal(scores, "split", alpha=0.2).value == above(8.0)
    assert conformal(scores, "split", alpha=0.29).value == above(8.0)


def test_a_product_that_rounds_below_a_whole_number_loses_no_rank():
    assert math.floor(0.29 * 100) == 28
    assert conformal(np.arange(99.0), "split", alpha=0.29).value == above(70.0)  # the 29th largest


@pytest.mark.parametrize("n", [19, 59, 99, 299])
def test_split_conformal_keeps_its_promise_on_average_and_wastes_at_most_one_picture_of_it(n):
    alpha, generator = 0.05, np.random.default_rng(n)
    # the realised rate of a draw is exact: the share of a uniform distribution above the threshold
    rates = [1 - conformal(generator.random(n), "split", alpha=alpha).value for _ in range(DRAWS)]
    assert within(rates, alpha - 1 / (n + 1), alpha)


@pytest.mark.parametrize(("n", "k", "aggregate"), [(19, 1, "kth"), (39, 3, "mean")])
def test_leave_one_out_of_neighbours_keeps_its_promise_on_average(n, k, aggregate):
    alpha, generator, rates = 0.05, np.random.default_rng(n), []
    settings = {"k": k, "metric": "euclidean", "aggregate": aggregate}
    for _ in range(DRAWS):
        parts = generator.standard_t(3, (n + 30, 2))
        bank, good = parts[:n], parts[n:]
        threshold = conformal(leave_one_out_scores(bank, **settings), "leave_one_out", alpha=alpha).value
        rates.append(np.mean(knn_scores(bank, good, **settings) >= threshold))
    assert within(rates, alpha / 4, alpha)


@pytest.mark.parametrize("aggregate", ["mean", "kth"])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_picture_more_in_the_bank_never_raises_a_score_which_is_what_the_proof_needs(metric, aggregate):
    settings = {"k": 3, "metric": metric, "aggregate": aggregate}
    for seed in range(30):
        parts = np.random.default_rng(seed).normal(size=(12, 4))
        without, with_new = leave_one_out_scores(parts[:-1], **settings), leave_one_out_scores(parts, **settings)
        assert (with_new[:-1] <= without * (1 + 1e-12)).all()
        assert with_new[-1] == pytest.approx(knn_scores(parts[:-1], parts[-1:], **settings)[0])


@pytest.mark.parametrize(("n", "alpha"), [(19, 0.05), (59, 0.05), (40, 0.2)])
def test_the_rate_limit_holds_for_95_of_100_calibration_sets(n, alpha):
    generator = np.random.default_rng(1)
    found = [conformal(generator.random(n), "split", alpha=alpha) for _ in range(DRAWS)]
    kept = np.mean([1 - threshold.value <= threshold.rate_limit for threshold in found])
    assert abs(kept - 0.95) < 3 * math.sqrt(0.95 * 0.05 / DRAWS)


@given(st.integers(2, 400), ALPHAS)
def test_too_few_pictures_are_refused_with_a_number_and_an_alpha_that_are_accepted(n, alpha):
    scores = np.arange(float(n))
    try:
        conformal(scores, "split", alpha=alpha)
    except IadError as refusal:
        words = str(refusal).replace(";", "").split()
        needed, reachable = int(words[words.index("least") + 1]), float(words[words.index("to", -5) + 1])
        conformal(np.arange(float(needed)), "split", alpha=alpha)
        with pytest.raises(IadError):
            conformal(np.arange(float(needed - 1)), "split", alpha=alpha)
        conformal(scores, "split", alpha=reachable)


def test_what_conformal_says_follows_from_the_scheme():
    scores = np.arange(100.0)
    for scheme, made in SCHEMES.items():
        found = conformal(scores, scheme, alpha=0.05)
        assert (found.promised_rate, found.guaranteed) == (0.05, made.proven)
        assert (found.rate_limit is None) is not made.independent
        assert ("at most 5 %" in found.guarantee) is made.proven
        assert ("an estimate and no proven bound" in found.guarantee) is not made.proven


def test_a_single_calibration_set_that_may_go_far_beyond_alpha_is_warned_about():
    (warning,) = conformal(np.arange(19.0), "split", alpha=0.05).warnings
    assert "with only 19 calibration pictures, 14.6 % of good parts may be rejected" in warning  # 1 - 0.05^(1/19)
    assert conformal(np.arange(99.0), "split", alpha=0.05).warnings == ()


@given(TIED)
def test_the_maximum_accepts_every_calibration_picture_and_nothing_above(scores):
    assert maximum(np.array(scores), "split", alpha=0.05).value == above(max(scores))


@pytest.mark.parametrize(("alpha", "needed"), [(0.1, 29), (0.05, 59), (0.02, 149), (0.01, 299)])
def test_the_maximum_says_how_many_pictures_hold_a_rate_with_95_percent_confidence(alpha, needed):
    enough = maximum(np.arange(float(needed)), "split", alpha=alpha)
    assert enough.warnings == ()
    assert enough.rate_limit == pytest.approx(1 - 0.05 ** (1 / needed))
    assert enough.rate_limit <= alpha
    (warning,) = maximum(np.arange(needed - 1.0), "split", alpha=alpha).warnings
    assert f"{needed - 1} calibration pictures are too few" in warning
    assert f"it takes {needed}" in warning


def test_the_maximum_promises_one_part_in_n_plus_1_and_a_simulation_agrees():
    n, generator = 19, np.random.default_rng(0)
    found = [maximum(generator.random(n), "split", alpha=0.05) for _ in range(DRAWS)]
    assert {(threshold.promised_rate, threshold.guaranteed) for threshold in found} == {(1 / 20, True)}
    assert within([1 - threshold.value for threshold in found], 1 / 20, 1 / 20)


@pytest.mark.parametrize(("scheme", "needed"), [("leave_one_out", 19), ("k_fold", 19), ("held_out", 59)])
def test_without_independence_the_maximum_can_be_judged_by_its_average_alone(scheme, needed):
    assert maximum(np.arange(float(needed)), scheme, alpha=0.05).warnings == ()
    assert len(maximum(np.arange(needed - 1.0), scheme, alpha=0.05).warnings) == 1


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=60, unique=True), st.floats(1, 100))
def test_the_percentile_strategy_gives_the_percentile_of_the_calibration_scores(scores, share):
    found = percentile(np.array(scores, dtype=float), "split", percentile=share)
    assert found.value == pytest.approx(percentile_oracle(scores, share), rel=1e-9)


@pytest.mark.parametrize(("share", "needed"), [(95, 19), (99, 99), (90, 9), (98, 49)])
def test_too_few_pictures_for_a_percentile_are_warned_about(share, needed):
    assert percentile(np.arange(float(needed)), "split", percentile=share).warnings == ()
    (warning,) = percentile(np.arange(needed - 1.0), "split", percentile=share).warnings
    assert f"{needed - 1} calibration pictures are too few" in warning
    assert f"at least {needed}" in warning


def test_the_maximum_as_a_percentile_is_always_warned_about():
    (warning,) = percentile(np.arange(1000.0), "split", percentile=100).warnings
    assert "percentile 100 is the maximum and rejects it" in warning


def test_the_share_of_good_parts_a_percentile_expects_is_what_a_simulation_finds():
    n, generator = 20, np.random.default_rng(0)
    found = [percentile(generator.random(n), "split", percentile=95) for _ in range(4000)]
    expected = (n * 0.05 + 0.95) / (n + 1)
    assert within([1 - threshold.value for threshold in found], expected, expected)
    assert found[0].promised_rate == pytest.approx(expected)
    assert f"about {100 * expected:.3g} %" in found[0].guarantee
    assert found[0].guarantee.startswith("an estimate and no proven bound")
    assert not found[0].guaranteed
