"""Scores of anomaly maps against sorting by hand."""

import numpy as np
import pytest

from iad.detectors.aggregation import above_quantile, aggregate_maps
from tests.helpers import mean_of_worst

MAPS = np.random.default_rng(0).random((7, 6, 10)).astype(np.float32)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 1.0])
def test_top_is_the_mean_of_the_worst_places(share):
    ours = aggregate_maps(MAPS, aggregate="top", top_share=share)
    np.testing.assert_allclose(ours, mean_of_worst(MAPS, share), rtol=1e-6)


def test_mean_and_max_ignore_the_share():
    mean, worst = (aggregate_maps(MAPS, aggregate=name, top_share=0.01) for name in ("mean", "max"))
    np.testing.assert_allclose(mean, MAPS.mean(axis=(1, 2), dtype=np.float64), rtol=1e-12)
    np.testing.assert_array_equal(worst, MAPS.max(axis=(1, 2)))
    assert {mean.dtype, worst.dtype} == {np.dtype(np.float64)}


def test_one_hot_place_moves_the_top_share_more_than_the_mean():
    flat = np.full((1, 20, 20), 0.1, dtype=np.float32)
    hot = flat.copy()
    hot[0, 3, 4] = 4.0

    def rise(aggregate):
        scores = [aggregate_maps(maps, aggregate=aggregate, top_share=0.01)[0] for maps in (flat, hot)]
        return scores[1] - scores[0]

    assert rise("max") > rise("top") > 50 * rise("mean") > 0


@pytest.mark.parametrize("aggregate", ["mean", "top", "max"])
def test_no_pictures_give_no_scores(aggregate):
    assert aggregate_maps(np.empty((0, 3, 3), np.float32), aggregate=aggregate, top_share=0.5).shape == (0,)


def test_what_is_odd_all_over_leaves_a_map_but_a_spot_stays():
    good = np.random.default_rng(0).uniform(1, 2, (1, 8, 8)).astype(np.float32)
    spot = np.zeros_like(good)
    spot[0, 2, 3] = 5
    found = above_quantile(good + 3 + spot, 0.25)  # the whole picture is farther away, one place still more
    np.testing.assert_allclose(found, above_quantile(good + spot, 0.25), atol=1e-5)
    assert found.argmax() == spot.argmax()
    assert (found == 0).mean() == pytest.approx(0.25)


def test_places_outside_the_foreground_stay_at_zero_and_do_not_move_the_quantile():
    maps = np.array([[[0, 0, 0, 0], [2, 3, 4, 5]]], dtype=np.float32)
    np.testing.assert_array_equal(above_quantile(maps, 0.5), [[[0, 0, 0, 0], [0, 0, 0.5, 1.5]]])


def test_a_map_of_zeros_stays_one():
    assert not above_quantile(np.zeros((2, 3, 3), dtype=np.float32), 0.25).any()
