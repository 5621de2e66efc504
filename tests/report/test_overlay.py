"""Oracles: matplotlib's colour maps; the colours of single values; the conformal threshold of the highest pixels."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import LinearSegmentedColormap

from iad.decision.conformal import conformal
from iad.decision.promises import SCHEMES
from iad.detectors.maps import FullMaps
from iad.errors import IadError
from iad.report.overlay import ABOVE, BELOW, MapScale, colour_ramp, map_colours, overlay, red_scale

SCALE = MapScale(usual=1.0, red=3.0)
PIXELS = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), dtype=np.uint8)
MASK = np.zeros((16, 16), dtype=bool)
MASK[:5, 4:9] = True
BLUES, REDS = ("#F7F9FB", "#A9C9E0", "#2B6CA3"), ("#F0562F", "#C01722", "#6E0712")


def is_red(colours):
    return (colours[..., 0] > 1.5 * colours[..., 1]) & (colours[..., 0] > 1.5 * colours[..., 2])


def good_maps(count, seed=0):
    return np.random.default_rng(seed).gamma(2.0, size=(count, 5, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("ramp", "colours"), [(BELOW, BLUES), (ABOVE, REDS), (colour_ramp("#000000", "#FF8811"), ("#000000", "#FF8811"))]
)
def test_colours_are_to_the_bit_those_of_matplotlib(ramp, colours):
    np.testing.assert_array_equal(ramp, LinearSegmentedColormap.from_list("x", colours)(np.arange(256))[:, :3])


def test_every_value_gets_the_colour_that_matplotlib_gives_it():
    values = np.concatenate([np.linspace(-2, 9, 20_001), np.nextafter([1.0, 3.0, 5.0], -9), [1.0, 3.0, 5.0]])
    level = 1 + (values - SCALE.red) / SCALE.span
    below = LinearSegmentedColormap.from_list("below", BLUES)(np.clip(level, 0, 1))[:, :3]
    above = LinearSegmentedColormap.from_list("above", REDS)(np.clip(level - 1, 0, 1))[:, :3]
    expected = np.where((values >= SCALE.red)[:, None], above, below)
    np.testing.assert_array_equal(map_colours(values, SCALE), expected)


def test_overlays_need_no_package_that_draws_or_computes_slowly():
    code = "import sys, numpy as np; from iad.report.overlay import *\n"
    code += "scale = red_scale(np.ones((2, 3, 3), np.float32), 8, 0.0, 0.5, 'leave_one_out')\n"
    code += "overlay(np.zeros((8, 8, 3), np.uint8), np.ones((8, 8)), MapScale(scale['usual'], scale['red']))\n"
    found = subprocess.run(
        [sys.executable, "-c", code + "print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"matplotlib", "pandas", "torch", "scipy", "sklearn", "PIL"} & set(found)


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
    assert low.tolist() == usual.tolist() == BELOW[0].tolist()
    assert top.tolist() == beyond.tolist() == ABOVE[-1].tolist()


@pytest.mark.parametrize("scale", [MapScale(0.0, 0.0), MapScale(2.0, 1.0), MapScale(0.0, 5e-324)])
def test_a_scale_without_width_still_splits_at_its_threshold(scale):
    assert is_red(map_colours(np.array([scale.red - 1, scale.red, 1e30]), scale)).tolist() == [0, 1, 1]


def test_an_overlay_is_grey_where_the_map_is_usual_and_red_where_it_is_rejected():
    values = np.where(MASK, 5.0, 1.0)
    mixed = overlay(PIXELS[0], values, SCALE).astype(float)
    grey = np.round(PIXELS[0].mean(axis=2))
    assert np.abs(mixed[~MASK] - grey[~MASK][:, None]).max() <= 1
    assert (mixed[MASK][:, 0] > mixed[MASK][:, 1] + 30).all()


def test_the_scale_is_the_conformal_threshold_of_the_highest_pixels_of_full_maps():
    maps = good_maps(40)
    found = red_scale(maps, 20, 0.05, 0.1, "split")
    maxima = np.array([FullMaps(maps, 20, 1.0)[row].max() for row in range(40)], dtype=np.float64)
    assert found["red"] == conformal(maxima, "split", alpha=0.1).value
    assert found["usual"] == np.median(maps)
    assert (found["pictures"], found["scheme"], found["warning"]) == (40, "split", None)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_scale_says_what_is_promised_of_it(scheme):
    found = red_scale(good_maps(40), 8, 0.0, 0.05, scheme)
    assert (found["promised_rate"], found["guaranteed"]) == (0.05, SCHEMES[scheme].proven)
    assert ("an estimate and no proven bound" in found["promise"]) is not SCHEMES[scheme].proven


def test_five_pictures_can_promise_one_in_six():
    found = red_scale(good_maps(5), 8, 0.0, 0.05, "leave_one_out")
    assert found["promised_rate"] == 1 / 6
    assert found["promise"].startswith("at most 16.7 %")
    assert "it takes 19" in found["warning"]


def test_the_red_of_leave_one_out_maps_keeps_its_promise_on_average():
    # patches are single numbers, their anomaly the distance to the nearest of the other pictures' patches
    generator, rate, alarms = np.random.default_rng(0), 0.1, []
    for _ in range(400):
        patches = generator.standard_t(4, (20, 9))
        apart = np.abs(patches[:, None, :, None] - patches[None, :, None, :])  # (20, 20, 9, 9)
        calibration = np.array([np.delete(apart[row, :19], row, axis=0).min(axis=(0, 2)) for row in range(19)]).reshape(
            19, 3, 3
        )
        new = apart[19, :19].min(axis=(0, 2)).reshape(1, 3, 3)
        red = red_scale(calibration.astype(np.float32), 12, 0.05, rate, "leave_one_out")["red"]
        alarms.append(bool((FullMaps(new.astype(np.float32), 12, 0.6)[0] >= np.float64(red)).any()))
    assert np.mean(alarms) <= rate + 3 * np.sqrt(rate * (1 - rate) / len(alarms))


def test_maps_that_cannot_set_a_scale_are_refused_with_their_origin():
    with pytest.raises(IadError, match=r"^here: no map of a good picture"):
        red_scale(good_maps(0), 8, 0.0, 0.05, "split", origin="here")
    with pytest.raises(IadError, match=r"^here: 3 of 3 maps are not finite"):
        red_scale(np.full((3, 2, 2), np.nan, np.float32), 8, 0.0, 0.05, "split", origin="here")
