"""Scores of the foreground against loops over its patches."""

import numpy as np
import pytest

from iad.detectors.patch import Options
from iad.detectors.patch.foreground import Foreground
from iad.detectors.patch.memory_bank import MemoryBank
from iad.detectors.patch.scores import foreground_scores, patch_scores

SIDE, LENGTH = 6, 5


def options(**changed):
    return Options(**{"aggregate": "top", "top_patches": 3, "subtract_median": 0.25, "foreground": "pca"} | changed)


def pictures(number, seed, inside=slice(2, 4)):
    """Noise, with 10 more of the first feature where the object is."""
    drawn = np.random.default_rng(seed).normal(size=(number, SIDE, SIDE, LENGTH))
    drawn[:, inside, inside, 0] += 10
    return drawn.astype(np.float16)


GOOD = pictures(4, 0)
FOREGROUND = Foreground(np.eye(LENGTH, dtype=np.float32)[0], 5.0)
EVERYTHING = Foreground(np.zeros(LENGTH, np.float32), 0.0, "no background")
EMPTY = pictures(1, 3, inside=slice(0, 0))


def judge(foreground, given, *, ratio=1.0, leave_out=None, **changed):
    bank = MemoryBank(GOOD, coreset_sampling_ratio=ratio)
    maps = bank.distance_maps(given, num_neighbors=1, leave_out=leave_out)
    return bank, maps, *foreground_scores(bank, foreground, given, maps, options(**changed), leave_out=leave_out)


def test_maps_are_zero_and_patches_do_not_count_outside_the_object_and_its_margin():
    _, maps, kept, scores = judge(FOREGROUND, pictures(3, 1))
    inside = np.zeros((SIDE, SIDE), bool)
    inside[1:5, 1:5] = True
    np.testing.assert_array_equal(kept[:, ~inside], 0)
    np.testing.assert_array_equal(kept[:, inside], maps[:, inside])
    expected = [np.sort(found[inside])[-3:].mean() - 0.25 * np.median(found[inside]) for found in maps]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


@pytest.mark.parametrize("aggregate", ["max", "top", "reweighted"])
def test_where_every_patch_is_foreground_nothing_changes(aggregate):
    rows = np.arange(4)
    bank, maps, kept, scores = judge(EVERYTHING, GOOD, leave_out=rows, aggregate=aggregate)
    np.testing.assert_array_equal(kept, maps)
    plain = patch_scores(bank, GOOD, maps, options(aggregate=aggregate), leave_out=rows)
    np.testing.assert_array_equal(scores, plain)


def test_fewer_patches_than_asked_for_all_count():
    _, _, kept, scores = judge(FOREGROUND, pictures(1, 1), top_patches=100, subtract_median=0)
    np.testing.assert_allclose(scores, kept[kept > 0].mean(), rtol=1e-6)


def test_a_picture_s_own_patches_do_not_count():
    _, maps, kept, _ = judge(FOREGROUND, GOOD[:2], leave_out=np.array([0, 1]))
    assert (maps > 0).all()
    np.testing.assert_array_equal(kept[:, 1:5, 1:5], maps[:, 1:5, 1:5])


@pytest.mark.parametrize("aggregate", ["max", "top", "reweighted"])
@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_an_empty_picture_is_compared_with_the_object_alone_and_so_does_not_pass(aggregate, ratio):
    bank, _, kept, scores = judge(FOREGROUND, np.concatenate([EMPTY, GOOD]), ratio=ratio, aggregate=aggregate)
    rows = bank.search.bank.numpy()
    shown = rows[rows[:, 0] >= 5].astype(np.float64)
    expected = [[np.linalg.norm(shown - patch, axis=1).min() for patch in line] for line in EMPTY[0]]
    np.testing.assert_allclose(kept[0], expected, rtol=1e-6)
    assert scores[0] > 2 * scores[1:].max()
