"""Scores of distance maps against sorted lists."""

import numpy as np
import pytest

from iad.detectors.patch import Options
from iad.detectors.patch.memory_bank import MemoryBank
from iad.detectors.patch.scores import patch_scores, predict
from tests.helpers import mean_of_worst

RNG = np.random.default_rng(0)
GOOD = RNG.normal(size=(5, 3, 4, 6)).astype(np.float16)
OTHERS = RNG.normal(size=(3, 3, 4, 6)).astype(np.float16)
BANK = MemoryBank(GOOD)
MAPS = BANK.distance_maps(OTHERS, num_neighbors=1)


@pytest.mark.parametrize(("aggregate", "patches"), [("max", 1), ("top", 3), ("top", 100)])
def test_a_score_is_the_mean_of_the_worst_patches_less_a_share_of_the_median(aggregate, patches):
    expected = mean_of_worst(MAPS, min(patches / 12, 1)) - 0.25 * np.median(MAPS.reshape(3, 12), axis=1)
    options = Options(aggregate=aggregate, top_patches=patches, subtract_median=0.25)
    np.testing.assert_allclose(patch_scores(BANK, OTHERS, MAPS, options), expected, rtol=1e-6)


@pytest.mark.parametrize(("share", "counted"), [(0.0, 2), (0.1, 2), (0.2, 3), (0.25, 3), (1.0, 12)])
def test_where_a_share_is_more_patches_than_the_least_number_it_counts(share, counted):
    options = Options(aggregate="top", top_patches=2, top_share=share, subtract_median=0)
    found = patch_scores(BANK, OTHERS, MAPS, options)
    np.testing.assert_allclose(found, np.sort(MAPS.reshape(3, 12))[:, -counted:].mean(axis=1), rtol=1e-6)


def test_reweighting_is_that_of_the_bank():
    found = patch_scores(BANK, OTHERS, MAPS, Options(aggregate="reweighted", subtract_median=0))
    np.testing.assert_array_equal(found, BANK.reweighted(OTHERS, MAPS))


def test_a_share_of_the_median_is_taken_off_a_reweighted_score_too():
    found = patch_scores(BANK, OTHERS, MAPS, Options(aggregate="reweighted", subtract_median=0.5))
    np.testing.assert_allclose(
        found, BANK.reweighted(OTHERS, MAPS) - np.median(MAPS.reshape(3, 12), axis=1) / 2, rtol=1e-6
    )


@pytest.mark.parametrize("leave_out", [None, np.array([0, 3])])
def test_maps_show_what_is_above_a_quantile_of_the_picture_and_scores_stay(leave_out):
    pictures = OTHERS if leave_out is None else GOOD[leave_out]
    plain, shown = (predict(BANK, None, pictures, Options(map_above=above), leave_out=leave_out) for above in (0, 0.25))
    quantiles = np.quantile(plain.anomaly_map, 0.25, axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(shown.anomaly_map, np.maximum(plain.anomaly_map - quantiles, 0), atol=1e-6)
    assert shown.anomaly_map.dtype == np.float32
    np.testing.assert_array_equal(shown.pred_score, plain.pred_score)
    np.testing.assert_array_equal(plain.anomaly_map, BANK.distance_maps(pictures, num_neighbors=1, leave_out=leave_out))
