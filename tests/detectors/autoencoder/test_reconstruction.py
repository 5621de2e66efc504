"""Aggregated reconstruction errors against sorting by hand."""

import numpy as np
import pytest

from iad.detectors.aggregation import aggregate_maps
from iad.detectors.autoencoder.reconstruction import STD_FLOOR, anomaly_maps, cell_means, good_errors
from tests.helpers import mean_of_worst

MAPS = np.random.default_rng(0).random((7, 6, 10)).astype(np.float32)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
def test_top_share_is_the_mean_of_the_worst_pixels(share):
    ours = aggregate_maps(anomaly_maps([MAPS[:3], MAPS[3:]], None), aggregate="top", top_share=share)
    np.testing.assert_allclose(ours, mean_of_worst(MAPS, share), rtol=1e-6)


def test_no_pictures_give_no_scores():
    assert aggregate_maps(anomaly_maps([], None), aggregate="mean", top_share=0.5).shape == (0,)


@pytest.mark.parametrize("cell", [1, 3, 4, 7])
def test_cells_are_means_of_squares_cut_at_the_edges(cell):
    ours = np.concatenate(list(cell_means([MAPS[:4], MAPS[4:]], cell)))
    by_hand = [
        [[m[y : y + cell, x : x + cell].mean() for x in range(0, 10, cell)] for y in range(0, 6, cell)] for m in MAPS
    ]
    np.testing.assert_allclose(ours, by_hand, rtol=1e-6)


def test_good_errors_are_the_mean_and_deviation_at_each_place():
    good = good_errors([MAPS[:2], MAPS[2:]])
    np.testing.assert_allclose(good.mean, MAPS.mean(axis=0, dtype=np.float64), rtol=1e-9)
    np.testing.assert_allclose(good.std, MAPS.std(axis=0, dtype=np.float64), rtol=1e-6)


def test_excess_counts_deviations_above_the_usual_error_and_nothing_below():
    usual = np.zeros((2, 1, 2))
    usual[:, 0, 0] = [1.0, 3.0]  # mean 2, deviation 1; its neighbour never varies, so the floor is 0.1 * 0.5
    good = good_errors([usual])
    excess = good.excess(np.array([[[4.0, 1.0]], [[0.0, -1.0]]]))
    np.testing.assert_allclose(excess, [[[2 / (1 + STD_FLOOR / 2), 1 / (STD_FLOOR / 2)]], [[0, 0]]])


def test_a_usual_large_error_no_longer_hides_an_unusual_small_one():
    rng = np.random.default_rng(0)
    usual = np.abs(rng.normal([5.0, 0.1], [0.5, 0.01], size=(200, 1, 2)))
    part, bad = np.array([[[5.1, 0.1]]]), np.array([[[5.1, 0.3]]])

    def score(picture, good):
        return aggregate_maps(anomaly_maps([picture], good), aggregate="top", top_share=0.5)[0]

    good = good_errors([usual])
    assert score(bad, good) > 10 * score(part, good)
    assert score(bad, None) == score(part, None)


def test_any_error_where_good_pictures_show_none_is_finite_and_ranks_above_none():
    good = good_errors([np.zeros((3, 1, 2))])
    maps = anomaly_maps([np.array([[[0.0, 2.0]], [[0.0, 0.0]]])], good)
    assert np.isfinite(maps).all()
    assert maps[0, 0, 1] > maps[1].max() == 0
