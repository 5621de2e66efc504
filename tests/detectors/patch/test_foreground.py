"""Foreground of pictures whose object is known, since it was put there."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from iad.detectors.patch.foreground import Foreground, fit_foreground

SIDE, LENGTH = 16, 12
SQUARE = np.ones((3, 3), bool)


def pictures_of(objects, *, spread=1.0, contrast=6.0, seed=0):
    """Noise around one point of the feature space outside of the objects, bool `(N, h, w)`, and another inside."""
    rng = np.random.default_rng(seed)
    background, shown = rng.normal(size=(2, LENGTH)) * contrast / LENGTH**0.5
    noise = rng.normal(size=(*objects.shape, LENGTH)) * np.where(objects, spread, 0.5)[..., None]
    return (np.where(objects[..., None], shown, background) + noise).astype(np.float16)


def blobs(number, low=4, high=9, seed=0):
    """Rectangles somewhere inside, bool `(number, SIDE, SIDE)`."""
    rng = np.random.default_rng(seed)
    objects = np.zeros((number, SIDE, SIDE), bool)
    for picture in objects:
        height, width = rng.integers(low, high, 2)
        top, left = (rng.integers(2, SIDE - 2 - side) for side in (height, width))
        picture[top : top + height, left : left + width] = True
    return objects


def with_margin(objects):
    return np.stack([binary_dilation(shown, SQUARE) for shown in objects])


def test_an_object_is_recovered_with_a_margin_of_one_place_in_pictures_that_were_not_looked_at():
    found = fit_foreground(pictures_of(blobs(80)))
    assert found.reason == ""
    others = blobs(20, seed=1)
    masks = found.masks(np.concatenate([pictures_of(blobs(80)), pictures_of(others)])[80:])
    np.testing.assert_array_equal(masks, with_margin(others))


@pytest.mark.parametrize("seed", range(6))
def test_the_background_is_the_side_that_holds_the_border_wherever_the_component_points(seed):
    large = np.zeros((10, SIDE, SIDE), bool)
    large[:, 2:-2, 2:-2] = True  # most places show the object
    found = fit_foreground(pictures_of(large, seed=seed))
    assert found.reason == ""
    np.testing.assert_array_equal(found.masks(pictures_of(large, seed=seed)), with_margin(large))


def test_a_hole_in_the_object_and_a_gap_of_one_place_stay_in():
    objects = np.zeros((10, SIDE, SIDE), bool)
    objects[:, 3:13, 3:13] = True
    broken = objects.copy()
    broken[:, 6:10, 6:10] = False  # a hole that shows the background
    broken[:, 4, 3:13] = False  # a gap across the object
    found = fit_foreground(pictures_of(objects))
    np.testing.assert_array_equal(found.masks(pictures_of(broken)), with_margin(objects))


def texture(pictures):
    return np.random.default_rng(0).normal(size=(pictures, SIDE, SIDE, LENGTH)).astype(np.float32)


def light_from_the_left(pictures):
    return texture(pictures) + np.linspace(-8, 8, SIDE)[:, None] * np.eye(LENGTH)[0]


def halves(pictures):
    left = np.zeros((pictures, SIDE, SIDE), bool)
    left[:, :, : SIDE // 2] = True
    return pictures_of(left)


def odd_border(pictures):
    inner = np.zeros((pictures, SIDE, SIDE), bool)
    inner[:, 1:-1, 1:-1] = True
    return pictures_of(inner)


def deep_odd_border(pictures):
    inner = np.zeros((pictures, SIDE, SIDE), bool)
    inner[:, 3:-3, 3:-3] = True
    return pictures_of(inner, spread=0.3)


def one_value(pictures):
    return np.full((pictures, SIDE, SIDE, LENGTH), 0.1, np.float16)


@pytest.mark.parametrize(
    ("drawn", "reason"),
    [
        (texture, "two groups"),
        (one_value, "two groups"),
        (light_from_the_left, "two groups"),
        (halves, "of the border"),
        (odd_border, "of the border"),
        (deep_odd_border, "varies more"),
    ],
)
def test_without_a_background_every_place_is_foreground_and_the_reason_is_said(drawn, reason):
    found = fit_foreground(drawn(6))
    assert reason in found.reason
    assert found.masks(drawn(6)).all()


def test_a_picture_without_an_object_has_an_empty_mask():
    found = fit_foreground(pictures_of(blobs(20)))
    assert not found.masks(pictures_of(np.zeros((1, SIDE, SIDE), bool))).any()


def test_the_same_pictures_give_the_same_foreground_and_its_three_values_are_all_there_is():
    pictures = pictures_of(blobs(70))
    first, second = fit_foreground(pictures), fit_foreground(pictures.copy())
    np.testing.assert_array_equal(first.direction, second.direction)
    assert first.threshold == second.threshold
    assert first.direction.dtype == np.float32
    again = Foreground(first.direction, first.threshold, first.reason)
    np.testing.assert_array_equal(again.masks(pictures), first.masks(pictures))


def test_one_picture_is_enough():
    objects = blobs(1)
    np.testing.assert_array_equal(
        fit_foreground(pictures_of(objects)).masks(pictures_of(objects)), with_margin(objects)
    )
