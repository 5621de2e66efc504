"""Oracle: SciPy's Beta distribution for the limit of one calibration set, and fractions tried one by one."""

import subprocess
import sys
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from iad.decision.promises import (
    SCHEMES,
    exact,
    in_words,
    pictures_for_maximum,
    pictures_needed,
    ranks_within,
    shared_scheme,
    upper_rate_limit,
)
from iad.errors import IadError


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


@given(st.decimals("0.001", "0.999", places=3), st.integers(1, 3000))
def test_the_ranks_within_alpha_are_counted_with_exact_fractions(alpha, n):
    assert ranks_within(float(alpha), n) == int(Fraction(alpha) * (n + 1))


def test_a_promise_is_at_most_or_about_as_the_scheme_is_proven_and_always_on_average():
    for scheme, made in SCHEMES.items():
        line = in_words(0.05, scheme, 1, 0.146 if made.independent else None, fate="get a marked pixel")
        assert line.startswith("at most 5 %" if made.proven else "about 5 %")
        assert "of good parts like the 1 calibration picture get a marked pixel, on average over such sets" in line
        assert made.words in line
        assert ("with this set at most 14.6 % (95 % confidence)" in line) is made.independent


@pytest.mark.parametrize(
    ("schemes", "problem"),
    [
        ([], "^here: 0 schemes of calibration instead of one; run `dvc repro`"),
        (["split", "k_fold"], "^here: 2 schemes of calibration instead of one; run `dvc repro`"),
        (["kfold"], r"^here: unknown scheme of calibration 'kfold'; did you mean 'k_fold'\?"),
    ],
)
def test_schemes_that_are_mixed_missing_or_unknown_are_refused(schemes, problem):
    with pytest.raises(IadError, match=problem):
        shared_scheme(schemes, "here")


def test_thresholds_and_promises_wait_for_none_of_the_slow_packages():
    code = "import sys; from iad.decision import thresholds, pixel_thresholds, promises\n"
    code += "promises.upper_rate_limit(59, 0); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"scipy.stats", "pandas", "torch", "matplotlib", "sklearn"} & set(found)
