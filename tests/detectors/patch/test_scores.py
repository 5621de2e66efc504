"""Scores of distance maps against sorted lists."""

import numpy as np
import pytest

from iad.detectors.patch.memory_bank import MemoryBank
from iad.detectors.patch.scores import draw_pictures, only_falls, patch_scores
from tests.helpers import mean_of_worst

RNG = np.random.default_rng(0)
GOOD = RNG.normal(size=(5, 3, 4, 6)).astype(np.float16)
OTHERS = RNG.normal(size=(3, 3, 4, 6)).astype(np.float16)
BANK = MemoryBank(GOOD)
MAPS = BANK.distance_maps(OTHERS, k=1, title="test")


@pytest.mark.parametrize(("aggregate", "places"), [("max", 1), ("top", 3), ("top", 100)])
def test_a_score_is_the_mean_of_the_worst_places_less_a_share_of_the_median(aggregate, places):
    expected = mean_of_worst(MAPS, min(places / 12, 1)) - 0.25 * np.median(MAPS.reshape(3, 12), axis=1)
    found = patch_scores(BANK, OTHERS, MAPS, aggregate=aggregate, top_places=places, subtract_median=0.25)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_reweighting_is_that_of_the_bank():
    found = patch_scores(BANK, OTHERS, MAPS, aggregate="reweighted", top_places=1, subtract_median=0)
    np.testing.assert_array_equal(found, BANK.reweighted(OTHERS, MAPS))


def test_pictures_are_drawn_once_each_in_ascending_order_or_all_are_taken():
    drawn = draw_pictures(20, 5, seed=3)
    assert len(set(drawn.tolist())) == 5
    assert drawn.tolist() == sorted(drawn.tolist())
    assert set(drawn.tolist()) <= set(range(20))
    for most in (0, 20, 21):
        assert draw_pictures(20, most, seed=3).tolist() == list(range(20))


def test_only_a_distance_to_a_whole_bank_can_do_nothing_but_fall():
    plain = {"aggregate": "top", "subtract_median": 0, "coreset": 1, "foreground": "none"}
    assert only_falls(**plain)
    for change in ({"aggregate": "reweighted"}, {"subtract_median": 0.1}, {"coreset": 0.5}, {"foreground": "pca"}):
        assert not only_falls(**plain | change)
