"""A carpet is told by its arguments alone, and its mask marks the defect exactly.

The oracle of a mask is the good carpet of the same arguments: the pixels that differ.
"""

import numpy as np
import pytest

from iad.data.carpet import DEFECTS, VISIBLE, draw


def test_the_kinds_of_defect_are_those_of_the_real_carpet():
    assert set(DEFECTS) == {"hole", "color", "cut", "thread", "metal_contamination"}


@pytest.mark.parametrize("defect", sorted(DEFECTS))
@pytest.mark.parametrize("size", [32, 96])
def test_the_mask_is_where_the_picture_differs_from_the_good_one(defect, size):
    for index in range(40):
        bad, mask = draw(5, 1, index, size, defect)
        good, empty = draw(5, 1, index, size, None)
        change = np.abs(bad.astype(int) - good).max(axis=2)
        assert np.array_equal(mask, change > 0)
        assert change[mask == 1].min() >= VISIBLE
        assert 0 < mask.sum() < 0.2 * mask.size
        assert not empty.any()


def test_the_same_arguments_give_the_same_carpet_and_others_another():
    assert np.array_equal(draw(0, 2, 3, 64, "cut")[0], draw(0, 2, 3, 64, "cut")[0])
    carpets = [draw(*key, 64, None)[0] for key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]]
    for i, carpet in enumerate(carpets):
        assert all(np.abs(carpet.astype(int) - other).mean() > 5 for other in carpets[i + 1 :])


@pytest.mark.parametrize("size", [32, 33, 200])
def test_a_carpet_is_a_colour_picture_of_the_size_asked_for(size):
    picture, mask = draw(0, 0, 0, size, None)
    assert (picture.shape, picture.dtype) == ((size, size, 3), np.uint8)
    assert (mask.shape, mask.dtype) == ((size, size), np.uint8)
    assert 5 < picture.std() < 60
    assert 60 < picture.mean() < 160
