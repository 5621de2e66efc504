"""Rotated copies against `np.rot90`, and against a loop over pixels for other angles."""

import math

import numpy as np
import pytest
import torch

from iad.features.views import Orientation, Oriented, orientations, rotate

PICTURE = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)


def reflected(place, size):
    """A coordinate (pixel middles at whole numbers) brought back into the picture by mirrors at its two borders."""
    place = (place + 0.5) % (2 * size)
    return min(max((2 * size - place if place > size else place) - 0.5, 0), size - 1)


def by_hand(picture, degrees):
    size, turn = len(picture), math.radians(degrees)
    found, middle = np.zeros(picture.shape), (size - 1) / 2
    for row, column in np.ndindex(size, size):
        x, y = column - middle, row - middle  # y points down, so a counterclockwise turn brings this from
        from_x = reflected(math.cos(turn) * x - math.sin(turn) * y + middle, size)
        from_y = reflected(math.sin(turn) * x + math.cos(turn) * y + middle, size)
        left, top = min(int(from_x), size - 2), min(int(from_y), size - 2)
        across, down = from_x - left, from_y - top
        for dy, dx in np.ndindex(2, 2):
            weight = (down if dy else 1 - down) * (across if dx else 1 - across)
            found[row, column] += weight * picture[top + dy, left + dx]
    return found


def rotated(picture, degrees):
    return rotate(torch.from_numpy(np.array(picture)).permute(2, 0, 1), degrees).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_quarter_turn_only_moves_pixels(quarters):
    found = Orientation(90.0 * quarters, flipped=False)(PICTURE)
    np.testing.assert_array_equal(found, np.rot90(PICTURE, quarters))
    assert found.flags.c_contiguous


@pytest.mark.parametrize("degrees", [45.0, 120.0, 300.0, 7.5])
def test_other_angles_are_interpolated_and_reflected_at_the_border(degrees):
    found = Orientation(degrees, flipped=False)(PICTURE)
    assert found.dtype == np.uint8
    assert np.abs(found - by_hand(PICTURE, degrees)).max() <= 0.51


def test_both_ways_of_turning_agree_on_the_direction():
    np.testing.assert_array_equal(rotated(PICTURE, 90), np.rot90(PICTURE))


def test_nothing_but_texture_of_the_picture_comes_into_its_corners():
    stripes = np.broadcast_to(np.where(np.arange(64) % 8 < 4, 200, 50)[:, None, None], (64, 64, 3)).astype(np.uint8)
    corner = rotated(stripes, 45)[:10, :10]
    assert corner.std() > 40  # a repeated border pixel, or a fill, would be nearly even


def test_orientations_are_even_and_flipped_ones_follow():
    assert [one.degrees for one in orientations(3, flip=False)] == [0, 120, 240]
    every = orientations(2, flip=True)
    assert [(one.degrees, one.flipped) for one in every] == [(0, False), (180, False), (0, True), (180, True)]
    np.testing.assert_array_equal(every[0](PICTURE), PICTURE)
    np.testing.assert_array_equal(every[3](PICTURE), PICTURE[::-1])
    assert len({one(PICTURE).tobytes() for one in orientations(8, flip=True)}) == 16


def test_oriented_pictures_are_those_of_their_rows():
    images = np.stack([PICTURE, PICTURE + 1, PICTURE + 2])
    some = Oriented(images, np.array([2, 0]), Orientation(90, flipped=True))
    assert len(some) == 2
    np.testing.assert_array_equal(some[0], np.rot90(images[2][:, ::-1]))
    np.testing.assert_array_equal(some[1:][0], np.rot90(images[0][:, ::-1]))
