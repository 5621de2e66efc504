"""Oracle: the pictures and words that a figure was given."""

import io

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from iad.report.figures.galleries import LARGEST, Shown, map_gallery, reduced
from iad.report.figures.style import png
from iad.report.overlay import MapScale

SCALE = MapScale(usual=1.0, red=3.0)
PIXELS = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), dtype=np.uint8)
MASK = np.zeros((16, 16), dtype=bool)
MASK[:5, 4:9] = True


def is_red(colours):
    return (colours[..., 0] > 1.5 * colours[..., 1]) & (colours[..., 0] > 1.5 * colours[..., 2])


def shown(caption="cut: lowest of 2", mask=MASK, **changes):
    values = np.linspace(0, 6, 256).reshape(16, 16)
    given = {"verdict": "3.2 rejected", "wrong": False, "picture": PIXELS[0], "anomaly_map": values}
    return Shown(caption=caption, gt_mask=mask, **given | changes)


def drawn(lines=None, **changes):
    given = {"title": "vit", "scale": SCALE, "notes": ["red from 3 on"]} | changes
    return map_gallery(lines=[(shown(), shown("cut: highest of 2"))] if lines is None else lines, **given)


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


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


LONG = (
    "red from 0.592 on: about 5 % of good parts like the 200 calibration pictures get a "
    "marked pixel, on average over such sets (each picture left out of a detector that changes with it, for which no "
    "bound is proven)"
)


@pytest.mark.parametrize("mask", [MASK, None])
def test_long_notes_are_wrapped_beside_the_scale_and_push_the_pictures_down(mask):
    lines = [(shown(mask=mask), None)]
    short, long = drawn(lines, notes=[LONG[:40]]), drawn(lines, notes=[LONG, LONG[:150], "2 more kinds are not shown"])
    (axes,) = long.axes
    renderer = long.canvas.get_renderer()
    scale = next(text for text in axes.texts if text.get_text() == "usual on good").get_window_extent(renderer)
    words = f"{LONG} {LONG[:150]} 2 more kinds are not shown"
    written = [text for text in axes.texts if len(text.get_text()) > 10 and text.get_text() in words]
    assert len(written) > 3
    assert all(text.get_window_extent(renderer).x1 < scale.x0 for text in written)
    assert " ".join(text.get_text() for text in written).startswith(LONG)
    heads = min(text.get_window_extent(renderer).y1 for text in axes.texts if text.get_text() == "picture")
    assert min(text.get_window_extent(renderer).y0 for text in written) > heads
    assert long.get_figheight() > short.get_figheight()


@pytest.mark.parametrize("name", ["cam$1_$2", "$^$", "a\\b", "x_{1"])
def test_names_of_defects_are_drawn_as_they_are(name):
    figure = drawn([(shown(caption=name), None)])
    assert png(figure)
    assert name in texts(figure)
    assert not any(text.get_parse_math() for text in figure.findobj(Text) if text.get_text())


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
    small = reduced(shown(mask=mask, picture=picture, anomaly_map=values))
    assert small.anomaly_map.shape == small.gt_mask.shape == small.picture.shape[:2] == (-(-side // 3),) * 2
    assert (small.anomaly_map[-1, 33], small.anomaly_map.sum(), small.gt_mask[-1, 33], small.gt_mask.sum()) == (
        9,
        9,
        True,
        1,
    )
    assert (small.picture[0, 1] == 90).all()
    assert small.picture.sum() == 270


def test_a_picture_of_usual_size_is_drawn_as_it_is():
    one = shown()
    assert reduced(one) is one
    side = LARGEST + 1
    large = shown(mask=None, picture=np.zeros((side, side, 3), np.uint8), anomaly_map=np.zeros((side, side)))
    assert reduced(large).gt_mask is None
