"""Oracle: the percentile by its definition, one sorted list and one straight line between two neighbours."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iad.decision.thresholds import STRATEGIES, is_anomalous, option_names, set_threshold
from iad.errors import IadError
from iad.params.decision import Threshold as Section


def percentile_oracle(scores, percentile):
    ordered = sorted(scores)
    place = (len(ordered) - 1) * percentile / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def by_percentile(scores, percentile=95.0):
    return set_threshold(np.asarray(scores, dtype=float), "percentile", {"percentile": percentile})


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=60, unique=True), st.floats(1, 100))
def test_the_percentile_strategy_gives_the_percentile_of_the_calibration_scores(scores, percentile):
    assert by_percentile(scores, percentile).value == pytest.approx(percentile_oracle(scores, percentile), rel=1e-9)


def test_a_score_at_the_threshold_is_anomalous():
    assert is_anomalous(np.array([0.99, 1.0, 1.01]), 1.0).tolist() == [False, True, True]


def test_a_neighbour_search_that_finds_itself_is_refused():
    # the original study calibrated on training pictures that found themselves: threshold 0.0000, every part rejected
    features = np.random.default_rng(0).normal(size=(30, 4))
    distances = np.linalg.norm(features[:, None] - features[None], axis=2)
    nearest = distances.min(axis=1)
    with pytest.raises(IadError, match=r"0\.0000 would reject all 30 .* find themselves among their neighbours"):
        by_percentile(nearest)
    np.fill_diagonal(distances, np.inf)
    assert by_percentile(distances.min(axis=1)).value > 0


def test_a_threshold_at_the_lowest_score_is_refused_even_if_scores_differ():
    with pytest.raises(IadError, match="would reject all 100 good calibration pictures"):
        by_percentile([0.0] * 99 + [1.0])


def test_equal_scores_other_than_zero_are_refused():
    with pytest.raises(IadError, match=r"3\.2000 would reject all 25 .* copies of one picture"):
        by_percentile([3.2] * 25)


@pytest.mark.parametrize(
    ("scores", "problem"),
    [
        ([], "no calibration picture"),
        ([1.0], "one calibration picture sets no threshold"),
        ([1.0, math.nan, 2.0], "1 of 3 scores are not finite"),
        ([1.0, math.inf, -math.inf], "2 of 3 scores are not finite"),
    ],
)
def test_scores_that_set_no_threshold_are_refused_with_their_origin(scores, problem):
    with pytest.raises(IadError, match=f"^here: {problem}"):
        set_threshold(np.array(scores), "percentile", {"percentile": 95}, origin="here")


def test_an_unknown_strategy_is_refused_with_the_nearest_name():
    with pytest.raises(IadError, match=r"unknown threshold\.strategy 'percentil'; did you mean 'percentile'\?"):
        set_threshold(np.arange(30.0), "percentil", {})


@pytest.mark.parametrize(("percentile", "needed"), [(95, 19), (99, 99), (90, 9), (98, 49)])
def test_too_few_pictures_for_the_false_alarm_rate_are_warned_about(percentile, needed):
    assert by_percentile(np.arange(needed), percentile).warning is None
    warning = by_percentile(np.arange(needed - 1), percentile).warning
    assert f"{needed - 1} calibration pictures are too few" in warning
    assert f"at least {needed}" in warning


def test_the_maximum_as_a_percentile_is_always_warned_about():
    assert "percentile 100 is the maximum" in by_percentile(np.arange(1000), 100).warning


def test_the_share_of_good_parts_the_guarantee_expects_is_what_a_simulation_finds():
    n, draws, generator = 20, 4000, np.random.default_rng(0)
    rates = [1 - by_percentile(generator.random(n)).value for _ in range(draws)]  # exact for uniform scores
    expected = (n * 0.05 + 0.95) / (n + 1)
    assert abs(np.mean(rates) - expected) < 3 * np.std(rates) / math.sqrt(draws)
    guarantee = by_percentile(generator.random(n)).guarantee
    assert f"about {100 * expected:.3g} %" in guarantee
    assert guarantee.startswith("no finite-sample guarantee")


def test_every_option_of_every_strategy_is_a_parameter():
    for strategy in STRATEGIES:
        assert set(option_names(strategy)) <= set(Section.model_fields)


def test_every_strategy_signs_its_result_with_its_name_and_number_of_pictures():
    options = {"percentile": 95.0}
    for strategy in STRATEGIES:
        found = set_threshold(np.arange(50.0), strategy, options)
        assert (found.strategy, found.n_calibration) == (strategy, 50)
