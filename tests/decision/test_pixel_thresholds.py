"""Oracles: verdicts counted one by one; a conformal threshold tried on many exchangeable pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from iad.decision.pixel_thresholds import iou, pixel_confusion, pixel_threshold_from_good
from iad.errors import IadError
from iad.metrics.pixels import PixelPictures

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


def test_too_few_pictures_warn_and_say_how_many_it_takes():
    assert "it takes 19" in pixel_threshold_from_good(np.zeros((18, 2, 2)), "picture_maximum", 0.05).warning
    assert pixel_threshold_from_good(np.zeros((19, 2, 2)), "picture_maximum", 0.05).warning is None


def test_pixel_verdicts_are_counted_with_greater_or_equal():
    masks = np.array([[[0, 0, 0]], [[255, 255, 0]]], np.uint8)
    maps = np.array([[[0.1, 0.5, 0.2]], [[0.5, 0.4, 0.9]]], np.float32)
    found = pixel_confusion(PixelPictures(maps, masks, np.array([0, 1])), 0.5)
    assert found.matrix.tolist() == [[2, 2], [1, 1]]
    assert found.f1 == pytest.approx(2 / (2 + 2 + 1))
    assert iou(found) == pytest.approx(1 / 4)


def test_a_threshold_between_two_float32_values_is_not_rounded_onto_one():
    score = np.float32(0.1)
    pictures = PixelPictures(np.full((1, 1, 1), score), np.ones((1, 1, 1)), np.array([1]))
    assert pixel_confusion(pictures, float(np.nextafter(np.float64(score), 1))).true_positives == 0
    assert pixel_confusion(pictures, float(score)).true_positives == 1


def test_iou_is_absent_without_a_defect_pixel():
    assert iou(pixel_confusion(PixelPictures(np.ones((1, 2, 2)), np.zeros((1, 2, 2)), np.array([0])), 0.5)) is None


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
