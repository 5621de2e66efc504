"""Oracle: the colours of single values, and the tiles a figure was given."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from iad.report.figures.galleries import BELOW, LARGEST, MapScale, Shown, map_colours, map_gallery, overlay, reduced
from iad.report.figures.style import png

SCALE = MapScale(usual=1.0, threshold=3.0)
PIXELS = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), dtype=np.uint8)
MASK = np.zeros((16, 16), dtype=bool)
MASK[:5, 4:9] = True


def is_red(colours):
    return (colours[..., 0] > 1.5 * colours[..., 1]) & (colours[..., 0] > 1.5 * colours[..., 2])


def shown(caption="cut: lowest of 2", mask=MASK, **changes):
    values = np.linspace(0, 6, 256).reshape(16, 16)
    given = {"verdict": "3.2 rejected", "wrong": False, "picture": PIXELS[0], "map": values}
    return Shown(caption=caption, mask=mask, **given | changes)


def drawn(lines=None, **changes):
    given = {"title": "vit", "scale": SCALE, "notes": ["red from 3 on"]} | changes
    return map_gallery(lines=[(shown(), shown("cut: highest of 2"))] if lines is None else lines, **given)


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_a_pixel_is_red_from_the_threshold_on_and_no_earlier():
    just_below = np.nextafter(3.0, 0)
    values = np.array([-5, 0, 1, 2, just_below, 3, np.nextafter(3.0, 9), 4, 5, 1e9])
    assert is_red(map_colours(values, SCALE)).tolist() == [False] * 5 + [True] * 5


def test_a_float32_map_is_compared_as_the_metrics_compare_it():
    threshold = float(np.nextafter(np.float64(np.float32(0.1)), 1))  # rounds to the value itself in float32
    scale = MapScale(0.0, threshold)
    assert not is_red(map_colours(np.array([0.1], dtype=np.float32), scale)).any()


def test_blue_begins_at_what_is_usual_and_red_is_darkest_as_far_above_the_threshold():
    low, usual, top, beyond = map_colours(np.array([-9.0, 1.0, 5.0, 50.0]), SCALE)
    assert to_hex(low) == to_hex(usual) == to_hex(BELOW(0.0))
    assert to_hex(top) == to_hex(beyond)


@pytest.mark.parametrize("scale", [MapScale(0.0, 0.0), MapScale(2.0, 1.0), MapScale(0.0, 5e-324)])
def test_a_scale_without_width_still_splits_at_its_threshold(scale):
    assert is_red(map_colours(np.array([scale.threshold - 1, scale.threshold, 1e30]), scale)).tolist() == [0, 1, 1]


def test_an_overlay_is_grey_where_the_map_is_usual_and_red_where_it_is_rejected():
    values = np.where(MASK, 5.0, 1.0)
    mixed = overlay(PIXELS[0], values, SCALE).astype(float)
    grey = np.round(PIXELS[0].mean(axis=2))
    assert np.abs(mixed[~MASK] - grey[~MASK][:, None]).max() <= 1
    assert (mixed[MASK][:, 0] > mixed[MASK][:, 1] + 30).all()


def test_masks_add_a_column_and_an_outline():
    with_masks, without = drawn(), drawn([(shown(mask=None), shown(mask=None))])
    assert texts(with_masks).count("mask") == 2
    assert "mask" not in texts(without)
    assert len(with_masks.axes[0].images) == 8 + 1  # and the scale
    assert len(without.axes[0].images) == 6 + 1
    assert len(with_masks.axes[0].collections) == 2 * 2  # light on dark
    assert without.get_figwidth() < with_masks.get_figwidth()


def test_a_good_picture_has_no_outline():
    assert not drawn([(shown(mask=np.zeros_like(MASK)), None)]).axes[0].collections


def test_captions_verdicts_and_the_scale_are_written():
    found = texts(drawn([(shown(wrong=True, verdict="2 passed: miss"), None)]))
    assert {"cut: lowest of 2", "2 passed: miss", "threshold", "3", "usual on good", "1", "5 and more"} <= set(found)


def test_the_same_numbers_give_the_same_small_file():
    first, second = (png(drawn(), few_colours=True) for _ in range(2))
    assert first == second
    assert len(first) < len(png(drawn()))
    assert Image.open(io.BytesIO(first)).mode == "P"


def test_few_colours_leave_grey_pictures_grey_and_red_pixels_red():
    ramp = np.repeat(np.linspace(40, 200, 16).astype(np.uint8), 48).reshape(16, 16, 3)
    figure = drawn([(shown(picture=ramp, mask=None), None)])
    exact, small = (
        np.asarray(Image.open(io.BytesIO(png(figure, few_colours=few))).convert("RGB")).astype(int)
        for few in (False, True)
    )
    assert exact.shape == small.shape
    grey = np.ptp(exact, axis=2) == 0
    assert np.ptp(small[grey], axis=1).max() <= 8
    assert np.abs(small - exact).max() <= 40
    firmly = (exact[..., 0] > 180) & (exact[..., 1:].max(axis=2) < 100)
    assert is_red(small[firmly].astype(float)).all()


def test_a_large_picture_is_reduced_and_nothing_rejected_vanishes():
    side = 2 * LARGEST + 1  # blocks of 3, the last ones cut off by the border
    values, mask = np.zeros((side, side)), np.zeros((side, side), dtype=bool)
    values[-1, 100], mask[-1, 100] = 9, True
    picture = np.zeros((side, side, 3), dtype=np.uint8)
    picture[:3, 3:6] = 90
    small = reduced(shown(mask=mask, picture=picture, map=values))
    assert small.map.shape == small.mask.shape == small.picture.shape[:2] == (-(-side // 3),) * 2
    assert (small.map[-1, 33], small.map.sum(), small.mask[-1, 33], small.mask.sum()) == (9, 9, True, 1)
    assert (small.picture[0, 1] == 90).all()
    assert small.picture.sum() == 270


def test_a_picture_of_usual_size_is_drawn_as_it_is():
    one = shown()
    assert reduced(one) is one
    assert (
        reduced(
            shown(mask=None, picture=np.zeros((LARGEST + 1,) * 2 + (3,), np.uint8), map=np.zeros((LARGEST + 1,) * 2))
        ).mask
        is None
    )
