"""Painted defects: each kind changes something, in one place, and the same seed gives the same."""

import numpy as np
import pytest
from scipy import ndimage

from iad.tune.defects import KINDS, VISIBLE, paint


@pytest.fixture
def pictures():
    noise = np.random.default_rng(0).normal(0, 40, (2, 96, 128, 3))
    return np.clip(128 + ndimage.gaussian_filter(noise, (0, 3, 3, 0)) * 6, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_a_defect_can_be_seen_and_leaves_most_of_the_picture(pictures, kind, seed):
    good, other = pictures
    painted = paint(good, other, kind, np.random.default_rng(seed))
    changed = np.abs(painted.astype(int) - good).max(axis=2)
    assert painted.dtype == np.uint8
    assert changed.max() >= VISIBLE
    assert (changed >= VISIBLE).mean() < 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_paints_the_same_and_neither_picture_is_changed(pictures, kind):
    good, other = pictures
    before = pictures.copy()
    once, again, third = (paint(good, other, kind, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert (once == again).all()
    assert (once != third).any()
    assert (pictures == before).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_without_colour_gets_none(pictures, kind):
    grey = np.repeat(pictures[..., :1], 3, axis=3)
    for seed in range(5):
        painted = paint(grey[0], grey[1], kind, np.random.default_rng(seed))
        assert np.ptp(painted.astype(int), axis=2).max() <= 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(32, 400), (32, 32)])
def test_strips_and_small_pictures_are_painted(kind, shape):
    good, other = np.random.default_rng(1).integers(0, 255, (2, *shape, 3), dtype=np.uint8)
    for seed in range(5):
        assert paint(good, other, kind, np.random.default_rng(seed)).shape == good.shape


@pytest.mark.parametrize("kind", KINDS)
def test_an_even_picture_ends_too(kind):
    even = np.full((64, 64, 3), 90, np.uint8)
    assert paint(even, even, kind, np.random.default_rng(0)).shape == even.shape


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_painted_outside_of_a_region(pictures, kind):
    good, other = pictures
    region = np.zeros(good.shape[:2], dtype=bool)
    region[20:70, 30:90] = True
    for seed in range(3):
        painted = paint(good, other, kind, np.random.default_rng(seed), region)
        assert (painted[~region] == good[~region]).all()
        assert (painted[region] != good[region]).any()


def test_defects_lie_where_the_picture_shows_something():
    good = np.full((120, 120, 3), 200, np.uint8)
    good[30:60, 30:60] = np.random.default_rng(0).integers(0, 255, (30, 30, 3))
    other, near = good[::-1], 0
    for seed in range(40):
        changed = paint(good, other, "stain", np.random.default_rng(seed)) != good
        row, column = ndimage.center_of_mass(changed.any(axis=2))
        near += 20 < row < 70 and 20 < column < 70
    assert near > 20  # that square holds 17 % of the picture
