"""How many parts prove what. The oracle is the binomial distribution, summed term by term, and the tables of Wilks."""

from math import comb

import pytest

from iad.acceptance.counts import parts_needed, rate_shown
from iad.errors import IadError


def at_most(failures, total, rate):
    return sum(comb(total, k) * rate**k * (1 - rate) ** (total - k) for k in range(failures + 1))


@pytest.mark.parametrize(("failures", "total"), [(0, 1), (0, 59), (1, 93), (3, 40), (9, 10)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_shown_rate_gives_so_few_failures_with_what_the_confidence_leaves(failures, total, confidence):
    assert at_most(failures, total, rate_shown(failures, total, confidence)) == pytest.approx(1 - confidence)


def test_numbers_are_those_of_wilks():
    # Wilks (1941): one-sided tolerance limits of order 1 to 5 for 95 % / 95 %, and of order 1 for others
    assert [parts_needed(0.05, 0.95, failures) for failures in range(5)] == [59, 93, 124, 153, 181]
    assert (parts_needed(0.01, 0.95), parts_needed(0.01, 0.99), parts_needed(0.1, 0.9)) == (299, 459, 22)


@pytest.mark.parametrize("failures", [0, 1, 4])
@pytest.mark.parametrize("rate", [0.001, 0.03, 0.5, 0.97])
def test_one_part_fewer_would_not_do(rate, failures):
    needed = parts_needed(rate, 0.95, failures)
    assert at_most(failures, needed, rate) <= 0.05 + 1e-12
    assert at_most(failures, needed - 1, rate) > 0.05


def test_nothing_is_shown_where_every_part_failed():
    assert rate_shown(3, 3, 0.95) == 1.0


def test_a_rate_that_nobody_can_show_is_refused():
    with pytest.raises(IadError, match="more than 1,000,000,000 parts"):
        parts_needed(1e-12, 0.95)
