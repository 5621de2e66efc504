"""P-values in place of a verdict. The oracle counts the n + 1 equally likely ranks that are within alpha."""

import numpy as np
import pytest

from iad.decision.conformal import p_values
from iad.decision.promises import SCHEMES, pictures_needed
from iad.decision.ranks import P_VALUES, decides, verdicts_or_p_values
from iad.decision.thresholds import option_names, set_threshold
from iad.errors import IadError

OPTIONS = {"alpha": 0.05, "tail_share": 0.2, "percentile": 95}


def scores_of(n):
    return np.random.default_rng(n).normal(size=n)


def found_for(n, alpha, scheme="split"):
    return verdicts_or_p_values(scores_of(n), "conformal", {"alpha": alpha}, scheme=scheme)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 1 / 3, 0.5])
@pytest.mark.parametrize("n", [2, 3, 4, 8, 9, 16, 18, 19, 20, 98, 99])
def test_there_is_a_verdict_exactly_where_a_rank_is_within_alpha(n, alpha):
    found = found_for(n, alpha)
    assert decides(found) == any(rank / (n + 1) <= alpha for rank in range(1, n + 1))
    if decides(found):
        assert found == set_threshold(scores_of(n), "conformal", {"alpha": alpha}, scheme="split")


@pytest.mark.parametrize("n", [2, 4, 8, 16])
def test_the_value_is_where_the_p_value_is_as_small_as_it_can_be(n):
    found, scores = found_for(n, 0.05), scores_of(n)
    below, reached = p_values(scores, np.array([scores.max(), found.value]))
    assert (found.strategy, found.promised_rate) == (P_VALUES, 1 / (n + 1))
    assert reached == 1 / (n + 1) < below


def test_the_line_says_what_so_few_can_promise_and_how_many_it_takes():
    found = found_for(16, 0.05).guarantee
    assert found == (
        "p-values and no verdict, since 16 good pictures can promise 5.88 % false alarms (1 in 17) at best and 5 % "
        "takes 19; none is below 0.0588"
    )
    assert str(pictures_needed(0.01)) in found_for(16, 0.01).guarantee


@pytest.mark.parametrize("scheme", SCHEMES)
def test_where_nothing_is_proven_the_line_says_so(scheme):
    assert ("no proven bound" in found_for(4, 0.05, scheme).guarantee) is not SCHEMES[scheme].proven


def test_one_score_is_refused_as_before():
    with pytest.raises(IadError, match="1 calibration picture cannot hold"):
        found_for(1, 0.05)


@pytest.mark.parametrize("scores", [np.ones(4), np.array([1.0, np.nan]), np.zeros(3)])
def test_copies_and_broken_scores_are_refused_as_before(scores):
    with pytest.raises(IadError) as refusal:
        verdicts_or_p_values(scores, "conformal", {"alpha": 0.05}, scheme="split")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("strategy", ["max", "percentile"])
def test_other_strategies_decide_as_they_did(strategy):
    options = {name: OPTIONS[name] for name in option_names(strategy)}
    found = verdicts_or_p_values(scores_of(4), strategy, options, scheme="split")
    assert decides(found)
    assert found == set_threshold(scores_of(4), strategy, options, scheme="split")
