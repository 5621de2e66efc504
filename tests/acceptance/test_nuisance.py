"""Changed pictures: what each change does to pixels, and how scores are compared."""

import numpy as np
import pytest
from PIL import Image

from iad.acceptance.nuisance import CHANGES, compared
from iad.data.image_size import ImageSize

SIZE = ImageSize(6, 10)
PICTURE = np.random.default_rng(0).integers(0, 256, (12, 30, 3), dtype=np.uint8)


def changed(name, picture=PICTURE):
    return np.asarray(CHANGES[name](Image.fromarray(picture), SIZE))


@pytest.mark.parametrize("factor", [0.8, 0.9, 1.1, 1.2])
def test_brightness_is_multiplied_and_clipped(factor):
    expected = np.minimum(255, np.rint(PICTURE.astype(float) * factor))
    assert np.abs(changed(f"brightness x {factor}").astype(float) - expected).max() <= 1


def test_a_shift_moves_two_pixels_down_and_right_and_repeats_the_border():
    found = changed("shift by 2 px")
    assert np.array_equal(found[2:, 2:], PICTURE[:-2, :-2])
    assert np.array_equal(found[0, 2:], PICTURE[0, :-2])
    assert found.shape == PICTURE.shape


def test_jpeg_changes_little_and_something():
    smooth = np.tile(np.linspace(0, 255, 30).astype(np.uint8)[None, :, None], (12, 1, 3))
    off = np.abs(changed("JPEG 90", smooth).astype(int) - smooth)
    assert 0 < off.max() < 12


def bilinear_by_hand(picture, size):
    """Between the four nearest pixels of each target's centre, as OpenCV's INTER_LINEAR."""
    height, width = picture.shape[:2]
    found = np.empty((*size, 3))
    for i in range(size.height):
        for j in range(size.width):
            y, x = (i + 0.5) * height / size.height - 0.5, (j + 0.5) * width / size.width - 0.5
            top, left = int(np.floor(y)), int(np.floor(x))
            dy, dx = y - top, x - left
            rows, columns = np.clip([top, top + 1], 0, height - 1), np.clip([left, left + 1], 0, width - 1)
            four = picture[np.ix_(rows, columns)].astype(float)
            found[i, j] = np.einsum("r,c,rcd->d", [1 - dy, dy], [1 - dx, dx], four)
    return found


def test_the_other_resize_looks_at_four_pixels_alone():
    found = changed("resize without antialiasing")
    assert found.shape == (6, 10, 3)
    assert np.abs(found - bilinear_by_hand(PICTURE, SIZE)).max() <= 1
    with_antialiasing = np.asarray(Image.fromarray(PICTURE).resize((10, 6), Image.Resampling.BILINEAR))
    assert np.abs(found.astype(int) - with_antialiasing).max() > 20


def test_flips_are_counted_by_their_direction():
    found = compared("x", np.array([1.0, 1.0, 3.0, 3.0, 2.0]), np.array([1.0, 2.5, 1.0, 3.5, 2.0]), threshold=2.0)
    assert (found.pictures, found.to_rejected, found.to_passed) == (5, 1, 1)
    assert (found.typical, found.largest) == (0.5, 2.0)


def test_a_score_on_the_threshold_that_moves_is_infinitely_near():
    assert np.isinf(compared("x", np.array([2.0]), np.array([2.1]), 2.0).largest)
