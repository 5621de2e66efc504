"""What holds for every strategy. To remember: the original study's thresholds of 0.0000 rejected every part."""

import math

import numpy as np
import pytest

from iad.decision import Threshold as Section
from iad.decision.thresholds import STRATEGIES, is_anomalous, option_names, set_threshold
from iad.errors import IadError

OPTIONS = {"alpha": 0.05, "tail_share": 0.2, "percentile": 95.0}


def threshold_of(scores, strategy="conformal", scheme="leave_one_out", **options):
    return set_threshold(np.asarray(scores, dtype=float), strategy, OPTIONS | options, scheme=scheme, origin="here")


def test_a_score_at_the_threshold_is_anomalous():
    assert is_anomalous(np.array([0.99, 1.0, 1.01]), 1.0).tolist() == [False, True, True]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_neighbour_search_that_finds_itself_is_refused(strategy):
    # the original study calibrated on training pictures that found themselves
    features = np.random.default_rng(0).normal(size=(60, 4))
    distances = np.linalg.norm(features[:, None] - features[None], axis=2)
    with pytest.raises(IadError, match=r"^here: .*0\.0000.*(copies|themselves)"):
        threshold_of(distances.min(axis=1), strategy)
    np.fill_diagonal(distances, np.inf)
    assert threshold_of(distances.min(axis=1), strategy).value > 0


def test_the_refusal_of_the_self_match_trap_names_its_cause():
    with pytest.raises(IadError, match=r"0\.0000 would reject all 30 .* find themselves among their neighbours"):
        threshold_of(np.zeros(30), "percentile")


@pytest.mark.parametrize("strategy", ["percentile", "conformal"])
def test_a_threshold_at_the_lowest_score_is_refused_even_if_scores_differ(strategy):
    with pytest.raises(IadError, match=r"of 100 good calibration pictures do|all 100 good calibration pictures"):
        threshold_of([0.0] * 99 + [1.0], strategy)


def test_equal_scores_other_than_zero_are_refused():
    with pytest.raises(IadError, match=r"3\.2000 would reject all 25 .* copies of one picture"):
        threshold_of([3.2] * 25, "percentile")
    with pytest.raises(IadError, match=r"score exactly 3\.2000, as 25 of 25 good .* copies of one picture"):
        threshold_of([3.2] * 25, "max")


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("scores", "problem"),
    [
        ([], "no calibration picture"),
        ([1.0, math.nan, 2.0], "1 of 3 scores are not finite"),
        ([1.0, math.inf, -math.inf], "2 of 3 scores are not finite"),
    ],
)
def test_scores_that_set_no_threshold_are_refused_with_their_origin(scores, problem, strategy):
    with pytest.raises(IadError, match=f"^here: {problem}"):
        threshold_of(scores, strategy)


def test_one_score_sets_no_threshold():
    with pytest.raises(IadError, match=r"^here: one calibration picture sets no threshold"):
        threshold_of([1.0], "percentile")
    with pytest.raises(IadError, match=r"^here: 1 calibration picture cannot hold"):
        threshold_of([1.0], "conformal")


def test_a_threshold_beyond_all_numbers_is_refused():
    with pytest.raises(IadError, match=r"^here: strategy max finds no finite threshold"):
        threshold_of([1.0, np.finfo(float).max], "max")


def test_scores_of_which_most_are_tied_are_warned_about():
    warning = threshold_of(np.repeat(np.arange(20.0), 3)).warnings[-1]
    assert warning.startswith("the 60 calibration scores take only 20 values")
    assert threshold_of(np.repeat(np.arange(30.0), 2)).warnings == ()


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(IadError, match=r"unknown threshold\.strategy 'percentil'; did you mean 'percentile'\?"):
        threshold_of(np.arange(30.0), "percentil")
    with pytest.raises(IadError, match=r"unknown scheme of calibration 'kfold'; did you mean 'k_fold'\?"):
        threshold_of(np.arange(30.0), scheme="kfold")


def test_every_option_of_every_strategy_is_a_parameter():
    for strategy in STRATEGIES:
        assert set(option_names(strategy)) <= set(Section.model_fields)


def test_every_strategy_signs_its_result_with_its_name_scheme_and_number_of_pictures():
    for strategy in STRATEGIES:
        found = threshold_of(np.arange(60.0), strategy)
        assert (found.strategy, found.n_calibration, found.scheme) == (strategy, 60, "leave_one_out")
        assert 0 < found.promised_rate < 1
