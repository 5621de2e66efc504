"""Oracles: the conformal threshold of the maxima; the same tried on many exchangeable pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from iad.decision.conformal import conformal
from iad.decision.pixel_thresholds import pixel_threshold_from_good
from iad.decision.promises import SCHEMES
from iad.errors import IadError

MAPS = arrays(np.float32, st.tuples(st.integers(1, 30), st.just(3), st.just(4)), elements=st.integers(0, 9).map(float))
RATES = st.floats(0.01, 0.9)


@given(MAPS, RATES)
def test_the_share_of_marked_pixels_is_kept_and_the_next_lower_value_would_break_it(maps, rate):
    value = pixel_threshold_from_good(maps, "pixel_share", rate).value
    assert np.mean(maps >= np.float64(value)) <= rate
    lower = maps[maps < np.float64(value)].max()  # exists: the share is below 1
    assert np.mean(maps >= lower) > rate - 1e-12


@given(MAPS, RATES)
def test_the_conformal_threshold_leaves_out_the_highest_maxima(maps, rate):
    found = pixel_threshold_from_good(maps, "picture_maximum", rate)
    marked = sum(bool((one >= np.float64(found.value)).any()) for one in maps)
    assert marked <= rate * (len(maps) + 1) + 1e-9
    assert (found.warning is None) == (rate * (len(maps) + 1) >= 1 - 1e-9)


def test_the_conformal_threshold_keeps_its_promise_on_new_pictures():
    rng = np.random.default_rng(0)
    alarms = []
    for _ in range(2000):
        maps = rng.gamma(2.0, size=(20, 2, 2)).astype(np.float32)
        value = pixel_threshold_from_good(maps[:19], "picture_maximum", 0.1).value
        alarms.append((maps[19] >= np.float64(value)).any())
    assert np.mean(alarms) == pytest.approx(0.1, abs=0.02)  # 2 of 20 ranks


@given(MAPS, RATES)
def test_it_is_the_conformal_threshold_of_the_maxima_or_just_above_the_highest_where_too_few(maps, rate):
    maxima = maps.max(axis=(1, 2)).astype(float)
    found = pixel_threshold_from_good(maps, "picture_maximum", rate, scheme="split")
    if found.warning is None:
        expected = conformal(maxima, "split", alpha=rate)
        assert (found.value, found.promised_rate) == (expected.value, rate)
        assert found.promise == expected.guarantee.replace("are rejected", "get a marked pixel")
    else:
        assert (found.value, found.promised_rate) == (np.nextafter(maxima.max(), np.inf), 1 / (len(maps) + 1))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_promised_follows_from_how_the_maps_were_made(scheme):
    found = pixel_threshold_from_good(
        np.random.default_rng(0).random((40, 2, 2)), "picture_maximum", 0.05, scheme=scheme
    )
    assert (found.scheme, found.guaranteed) == (scheme, SCHEMES[scheme].proven)
    assert found.promise.startswith("at most 5 %" if found.guaranteed else "about 5 %")
    assert "get a marked pixel, on average over such sets" in found.promise


def test_maps_of_which_nobody_says_how_they_were_made_prove_nothing():
    found = pixel_threshold_from_good(np.zeros((40, 2, 2)), "picture_maximum", 0.05)
    assert (found.scheme, found.guaranteed) == ("jackknife", False)


def test_five_pictures_promise_one_in_six_and_no_less():
    found = pixel_threshold_from_good(np.arange(5.0).reshape(5, 1, 1), "picture_maximum", 0.05, scheme="leave_one_out")
    assert found.promised_rate == 1 / 6
    assert found.promise.startswith("at most 16.7 % of good parts like the 5 calibration pictures get a marked pixel")
    assert "5 calibration pictures cannot hold 5 %, it takes 19" in found.warning
    assert "16.7 %" in found.warning


@pytest.mark.parametrize(("rate", "needed"), [(0.05, 19), (0.01, 99)])
def test_too_few_pictures_warn_and_say_how_many_it_takes(rate, needed):
    few, enough = (
        pixel_threshold_from_good(np.zeros((n, 2, 2)), "picture_maximum", rate) for n in (needed - 1, needed)
    )
    assert f"it takes {needed}" in few.warning
    assert enough.warning is None


def test_a_share_of_pixels_promises_nothing_however_the_maps_were_made():
    found = pixel_threshold_from_good(np.random.default_rng(0).random((40, 4, 4)), "pixel_share", 0.05, scheme="split")
    assert (found.guaranteed, found.promised_rate) == (False, None)
    assert found.promise.endswith("no promise for a new picture")


@pytest.mark.parametrize(
    ("maps", "strategy", "rate", "said"),
    [
        (np.zeros((0, 2, 2)), "pixel_share", 0.1, "no map"),
        (np.full((2, 2, 2), np.nan), "pixel_share", 0.1, "2 of 2 maps are not finite"),
        (np.zeros((2, 2, 2)), "pixel_share", 1.0, "rate 1"),
        (np.zeros((2, 2, 2)), "pixel_shares", 0.1, "did you mean 'pixel_share'"),
    ],
)
def test_bad_input_is_refused(maps, strategy, rate, said):
    with pytest.raises(IadError, match=said):
        pixel_threshold_from_good(maps, strategy, rate)


def test_an_unknown_scheme_is_refused():
    with pytest.raises(IadError, match="did you mean 'k_fold'"):
        pixel_threshold_from_good(np.zeros((2, 2, 2)), "pixel_share", 0.1, scheme="kfold")
