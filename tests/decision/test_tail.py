"""Oracles: SciPy's generalised Pareto distribution, and laws whose tail is one: exponential, Pareto, uniform."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import expon, genpareto, kstest, uniform

from iad.decision.tail import anderson_darling, evt, excess_exceeded_by, fit_p_value, fit_pareto, log_survival
from iad.errors import IadError

KNOWN = {"exponential": expon(loc=5, scale=2), "heavy": genpareto(0.3, loc=1), "ends": uniform(0, 4)}


def drawn(name, n, seed=0):
    return KNOWN[name].rvs(size=n, random_state=np.random.default_rng(seed))


@pytest.mark.parametrize("alpha", [0.05, 0.001])
@pytest.mark.parametrize("name", KNOWN)
def test_the_threshold_nears_the_known_quantile(name, alpha):
    values = [evt(drawn(name, 5000, seed), "split", alpha=alpha, tail_share=0.2).value for seed in range(5)]
    assert np.mean(values) == pytest.approx(KNOWN[name].isf(alpha), rel=0.05)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of SciPy's search
def test_the_threshold_is_the_one_that_scipys_fit_gives():
    scores, k = drawn("exponential", 200), 40
    ordered = np.sort(scores)
    start = ordered[-k - 1]
    shape, _, scale = genpareto.fit(ordered[-k:] - start, floc=0)
    expected = start + genpareto.isf(0.01 * 200 / k, shape, 0, scale)
    found = evt(scores, "split", alpha=0.01, tail_share=0.2)
    assert found.value == pytest.approx(expected, rel=1e-3)
    assert (found.diagnostics["tail_points"], found.diagnostics["tail_start"]) == (k, start)
    assert found.diagnostics["shape"] == pytest.approx(shape, abs=1e-2)
    assert found.diagnostics["scale"] == pytest.approx(scale, rel=1e-2)


def test_it_promises_nothing_and_says_what_it_aims_at():
    found = evt(drawn("heavy", 200), "split", alpha=0.05, tail_share=0.2)
    assert (found.promised_rate, found.guaranteed, found.rate_limit, found.warnings) == (0.05, False, None, ())
    assert found.guarantee.startswith("an estimate and no proven bound")


def test_a_tail_that_is_none_is_warned_about():
    scores = np.concatenate([np.linspace(0, 1, 200), 9 + 0.01 * np.random.default_rng(0).normal(size=50)])
    (warning,) = evt(scores, "split", alpha=0.05, tail_share=0.3).warnings
    assert "the 75 highest scores do not follow a generalised Pareto tail (p = 0.005)" in warning


def test_a_short_tail_and_an_extrapolation_are_warned_about():
    short, beyond = evt(drawn("heavy", 100), "split", alpha=0.001, tail_share=0.2).warnings
    assert short.startswith("a tail of 20 scores is short")
    assert "100 calibration pictures show nothing at a rate of 0.1 %" in beyond


@pytest.mark.parametrize(
    ("scores", "options", "problem"),
    [
        (np.arange(40.0), {"alpha": 0.05, "tail_share": 0.2}, "a tail of 8 scores out of 40 is too short .* raise"),
        (np.arange(90.0), {"alpha": 0.2, "tail_share": 0.2}, r"tail_share = 0\.2 must be above threshold\.alpha"),
        (np.arange(10.0), {"alpha": 0.05, "tail_share": 0.9}, "a tail of 9 scores .* pictures, choose another"),
        (np.arange(20.0), {"alpha": 0.97, "tail_share": 0.99}, r"alpha = 0\.97 of 20 .*; lower threshold\.alpha"),
        (np.append(np.arange(50.0), [60] * 40), {"alpha": 0.05, "tail_share": 0.2}, "19 highest scores are all 60"),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_is_refused(scores, options, problem):
    with pytest.raises(IadError, match=problem):
        evt(scores, "split", **options)


def test_two_runs_give_the_same_numbers():
    first, second = (evt(drawn("heavy", 200), "split", alpha=0.05, tail_share=0.2) for _ in range(2))
    assert first == second


def test_rounding_leaves_no_threshold_below_its_own_tail():
    # round(0.0505 x 207) = 10 of 207 scores is a share below 0.05, whose quantile lies below those ten
    found = evt(drawn("exponential", 207), "split", alpha=0.05, tail_share=0.0505)
    assert found.diagnostics["tail_points"] == 11
    assert found.value > found.diagnostics["tail_start"]


@settings(max_examples=25, deadline=None)  # each fits 200 tails
@given(st.integers(60, 200), st.floats(0.001, 0.3), st.floats(0.001, 0.3))
def test_a_threshold_lies_above_the_start_of_its_tail_always(n, alpha, more):
    scores = np.random.default_rng(n).exponential(size=n)
    if max(round((alpha + more) * n), int(alpha * n) + 1) < 10:
        with pytest.raises(IadError, match="too short to fit"):
            evt(scores, "split", alpha=alpha, tail_share=alpha + more)
        return
    found = evt(scores, "split", alpha=alpha, tail_share=alpha + more)
    assert found.value > found.diagnostics["tail_start"]


@pytest.mark.parametrize("n", [11, 20])
def test_a_tail_of_nearly_all_scores_leaves_one_below_it(n):
    assert evt(drawn("heavy", n), "split", alpha=0.2, tail_share=0.99).diagnostics["tail_points"] == n - 1


SHAPES = (-0.7, -0.2, 0.0, 0.3, 1.5)


def sample(shape, k, seed=0, scale=3.0):
    return genpareto.rvs(shape, scale=scale, size=k, random_state=np.random.default_rng(seed))


def likelihood(excesses, shape, scale):
    return genpareto.logpdf(excesses, shape, 0, scale).sum()


@pytest.mark.parametrize("k", [10, 40, 200])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of SciPy's search
def test_the_fit_is_scipys_or_a_likelier_one(shape, k):
    excesses = sample(shape, k)
    found = [float(value) for value in fit_pareto(excesses)]
    theirs, _, scale = genpareto.fit(excesses, floc=0)
    if theirs >= -1:  # below, the likelihood has no maximum
        assert likelihood(excesses, *found) >= likelihood(excesses, theirs, scale) - 1e-6
        assert found == pytest.approx([theirs, scale], rel=1e-2, abs=1e-2)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_large_sample_gives_the_parameters_back(shape):
    assert np.array(fit_pareto(sample(shape, 20_000))) == pytest.approx([shape, 3.0], abs=0.1)


def test_no_pair_of_parameters_on_a_grid_is_likelier():
    excesses = sample(0.2, 15)
    found = likelihood(excesses, *(float(value) for value in fit_pareto(excesses)))
    grid = [likelihood(excesses, a, b) for a in np.linspace(-1, 2, 61) for b in np.linspace(0.2, 12, 60)]
    assert max(grid) <= found + 1e-9


def test_a_sample_pressed_against_its_end_is_uniform_and_no_shape_is_below():
    shape, scale = fit_pareto(np.array([1.0, 5.0, 5.0, 5.0, 5.0]))
    assert (shape, scale) == (-1.0, 5.0)


def test_scale_is_a_unit_and_samples_do_not_touch_each_other():
    samples = np.stack([sample(0.2, 30, seed) for seed in range(5)])
    shapes, scales = fit_pareto(samples)
    for row, excesses in enumerate(samples):
        assert [float(v) for v in fit_pareto(1000 * excesses)] == pytest.approx([shapes[row], 1000 * scales[row]], 1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_survival_and_quantile_are_scipys(shape):
    excesses = np.linspace(0, 4, 9)
    survival = np.exp(log_survival(excesses, np.float64(shape), np.float64(3)))
    np.testing.assert_allclose(survival, genpareto.sf(excesses, shape, 0, 3), atol=1e-12)
    shares = np.array([1.0, 0.5, 0.01, 1e-6])
    np.testing.assert_allclose(excess_exceeded_by(shares, shape, 3.0), genpareto.isf(shares, shape, 0, 3))


def test_the_statistic_is_the_sum_of_its_definition():
    excesses = np.sort(sample(0.1, 12))
    z = genpareto.cdf(excesses, 0.1, 0, 3)
    terms = [(2 * i + 1) * (np.log(z[i]) + np.log(1 - z[11 - i])) for i in range(12)]
    found = anderson_darling(excesses[::-1].copy(), np.float64(0.1), np.float64(3))
    assert found == pytest.approx(-12 - sum(terms) / 12)


def p_of(excesses, seed=0, draws=99):
    shape, scale = (float(value) for value in fit_pareto(excesses))
    return fit_p_value(excesses, shape, scale, draws=draws, seed=seed)[1]


def test_p_values_of_true_pareto_samples_are_uniform_and_a_bump_is_rejected():
    assert kstest([p_of(sample(0.2, 25, seed), seed) for seed in range(60)], "uniform").pvalue > 0.01
    assert p_of(np.abs(np.random.default_rng(0).normal(5, 1, 60))) == 0.01


def test_the_bootstrap_repeats_itself():
    assert p_of(sample(0.2, 25)) == p_of(sample(0.2, 25))
