"""Frames that say nothing of their part: black, white, saturated, frozen; and good ones, which are left alone."""

from types import SimpleNamespace

import numpy as np
import pytest

from iad.serve.cameras.faults import Faults


def faults(usual=128, white=65535):
    grids = np.full((3, 32, 32), 128, np.uint8)
    grids[:, :16] = usual
    return Faults(SimpleNamespace(grid_array=lambda: grids), white)


def noise(low, high, shape=(64, 96), seed=0):
    return np.random.default_rng(seed).integers(low, high, shape, endpoint=True).astype(np.uint8)


@pytest.mark.parametrize(
    ("frame", "word"), [(noise(0, 8), "black"), (noise(247, 255), "white"), (noise(100, 104), "of one colour")]
)
def test_a_frame_that_shows_nothing_is_told_with_its_colour(frame, word):
    fault, levels = faults().of(frame)
    assert fault == f"the frame is {word}; look at the camera and its light"
    assert (frame.min(), frame.max()) == levels


def test_a_broken_pixel_does_not_hide_that_a_frame_is_black():
    frame = noise(0, 4, (200, 200))
    frame[100, 100] = 255
    assert "black" in faults().of(frame)[0]


@pytest.mark.parametrize(
    "frame", [noise(0, 255), noise(20, 60), noise(0, 255, (64, 96, 3)), noise(0, 255).astype(np.uint16) * 257]
)
def test_a_good_frame_is_left_alone(frame):
    assert faults().of(frame)[0] == ""


@pytest.mark.parametrize(("level", "word"), [(255, "white"), (0, "black")])
def test_a_frame_most_of_which_is_at_an_end_of_the_scale_is_saturated_if_good_pictures_are_not(level, word):
    frame = noise(50, 200)
    frame[8:] = level
    fault, _ = faults().of(frame)
    assert fault.startswith(f"87.5 % of the frame is {word}, of good pictures at most 0 %; look at")
    assert faults().of(np.where(frame == level, 130, frame).astype(np.uint8))[0] == ""


def test_a_backlight_is_no_fault():
    frame = noise(50, 200)
    frame[24:] = 255  # 62.5 %
    assert faults(usual=255).of(frame)[0] == ""
    assert faults(usual=128).of(frame)[0] != ""


def test_the_same_frame_twice_is_frozen_and_another_is_not():
    looking = faults()
    said = [looking.of(noise(0, 255, seed=seed))[0] for seed in (1, 1, 2, 1)]
    assert [bool(one) for one in said] == [False, True, False, False]
    assert said[1] == "the very same frame as before; the camera seems to be frozen"


def test_grey_values_of_12_bits_are_measured_on_their_own_scale():
    frame = noise(0, 255).astype(np.uint16) * 16
    assert faults(white=4095).of(frame)[0] == ""
    assert faults(white=4095).of(frame)[1][1] > 240
