"""Oracle: SciPy's Beta distribution for the limit of one calibration set, and fractions tried one by one."""

from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from iad.decision.promises import (
    SCHEMES,
    exact,
    pictures_for_maximum,
    pictures_needed,
    upper_rate_limit,
)
from iad.stages.scorers import Scheme


def test_the_schemes_are_those_that_a_scorer_may_name():
    assert set(SCHEMES) == set(get_args(Scheme))


@given(st.integers(1, 3000), st.floats(0, 1, exclude_max=True))
def test_the_upper_limit_is_the_quantile_of_the_beta_distribution(n, share):
    rejected = int(share * n)
    assert upper_rate_limit(n, rejected) == pytest.approx(beta.ppf(0.95, rejected + 1, n - rejected), rel=1e-9)


def test_the_upper_limit_of_a_large_calibration_set_is_found_too():
    assert upper_rate_limit(200_000, 10_000) == pytest.approx(beta.ppf(0.95, 10_001, 190_000), rel=1e-9)


@given(st.integers(1, 500))
def test_the_pictures_needed_are_the_fewest_with_a_p_value_that_can_be_low_enough(thousandths):
    alpha = Fraction(thousandths, 1000)
    needed = pictures_needed(alpha)
    assert Fraction(1, needed + 1) <= alpha
    assert needed == 0 or Fraction(1, needed) > alpha


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.05, 0.3, 0.9])
def test_the_maximum_of_so_many_pictures_and_no_fewer_holds_alpha(alpha):
    needed = pictures_for_maximum(alpha)
    assert 1 - 0.05 ** (1 / needed) <= alpha
    assert needed == 1 or 1 - 0.05 ** (1 / (needed - 1)) > alpha


def test_an_exact_number_is_the_decimal_that_was_written():
    assert exact(0.05) == Fraction(1, 20)
    assert exact(1e-5) == Fraction(1, 100_000)
    assert exact(95) == 95
