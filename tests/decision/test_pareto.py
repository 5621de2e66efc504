"""Oracle: SciPy's generalised Pareto distribution."""

import numpy as np
import pytest
from scipy.stats import genpareto, kstest

from iad.decision.pareto import anderson_darling, excess_exceeded_by, fit_p_value, fit_pareto, log_survival

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
