"""Distance maps of a memory bank against a double loop over patches."""

import math
from decimal import Decimal

import numpy as np
import pytest

from iad.detectors.patch.coreset import greedy_coreset
from iad.detectors.patch.memory_bank import MemoryBank
from iad.errors import IadError
from iad.neighbors.patch_view import PatchView
from tests.detectors.oracles import distances_to
from tests.detectors.oracles import patch_distances as oracle

RNG = np.random.default_rng(0)
GOOD = RNG.normal(size=(5, 3, 4, 6)).astype(np.float16)
OTHERS = RNG.normal(size=(3, 3, 4, 6)).astype(np.float16)


@pytest.mark.parametrize("k", [1, 3])
def test_each_place_holds_the_distance_to_the_nearest_good_patches(k, device):
    maps = MemoryBank(GOOD, device=device).distance_maps(OTHERS, num_neighbors=k)
    np.testing.assert_allclose(maps, oracle(OTHERS, lambda _: GOOD.reshape(-1, 6), k), rtol=1e-6)
    assert maps.dtype == np.float32


@pytest.mark.parametrize("k", [1, 3])
def test_a_picture_of_the_bank_is_compared_with_all_other_pictures_and_not_with_itself(k):
    rows = np.array([0, 2, 4])
    maps = MemoryBank(GOOD).distance_maps(GOOD[rows], num_neighbors=k, leave_out=rows)
    expected = oracle(GOOD[rows], lambda place: np.delete(GOOD, rows[place], axis=0).reshape(-1, 6), k)
    np.testing.assert_allclose(maps, expected, rtol=1e-6)


def test_a_coreset_keeps_the_rows_that_greedy_selection_names_and_still_leaves_a_picture_out(device):
    bank, flat = (
        MemoryBank(GOOD, coreset_sampling_ratio=0.4, seed=3, device=device),
        GOOD.reshape(-1, 6).astype(np.float32),
    )
    np.testing.assert_array_equal(bank.rows, np.sort(greedy_coreset(flat, 24, seed=3)))
    rows = np.arange(5)

    def others(place):
        return flat[[row for row in bank.rows if row // 12 != place]]

    np.testing.assert_allclose(
        bank.distance_maps(GOOD, num_neighbors=1, leave_out=rows), oracle(GOOD, others, 1), rtol=1e-6
    )


def test_a_bank_of_rows_chosen_before_is_the_bank_that_chose_them():
    first = MemoryBank(GOOD, coreset_sampling_ratio=0.4, seed=3)
    again = MemoryBank.of_rows(GOOD.reshape(-1, 6)[first.rows], first.rows, per_picture=12)
    rows = np.arange(5)
    for pictures, leave_out in ((OTHERS, None), (GOOD, rows)):
        maps = [bank.distance_maps(pictures, num_neighbors=2, leave_out=leave_out) for bank in (first, again)]
        np.testing.assert_array_equal(*maps)
        np.testing.assert_array_equal(
            *[bank.reweighted(pictures, maps[0], leave_out=leave_out) for bank in (first, again)]
        )


@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_the_copies_of_a_picture_are_hidden_with_it(ratio):
    copies = RNG.normal(size=(5, 2, 3, 4, 6)).astype(np.float16)
    bank = MemoryBank(PatchView(GOOD, copies=copies), coreset_sampling_ratio=ratio)
    flat = np.concatenate([GOOD[:, None], copies], axis=1).reshape(-1, 6)

    def others(place):
        return flat[[row for row in bank.rows if row // 36 != place]]

    maps = bank.distance_maps(GOOD, num_neighbors=2, leave_out=np.arange(5))
    np.testing.assert_allclose(maps, oracle(GOOD, others, 2), rtol=1e-6)


def equation_7(bank, picture):
    """PatchCore's score in decimal numbers, which no exponential is too large for."""
    to_bank = np.array([distances_to(bank, patch) for patch in picture.reshape(-1, picture.shape[-1])])
    worst = to_bank.min(axis=1).argmax()
    nearest = to_bank[worst].argmin()
    support = np.argsort(distances_to(bank, bank[nearest]))[:9]
    distance, *others = (Decimal(float(one)) for one in (to_bank[worst, nearest], *to_bank[worst, support]))
    weight = 1 - distance.exp() / sum(other.exp() for other in others)
    return float(weight * distance)


@pytest.mark.parametrize("scale", [1, 1000])  # distances of about 3, and of about 3,000: exp(710) is infinite
@pytest.mark.parametrize("rows", [None, np.array([0, 2, 4])])
def test_reweighting_follows_equation_7_of_patchcore_however_large_the_distances(rows, scale, device):
    good = GOOD * np.float16(scale)
    pictures = OTHERS * np.float16(scale) if rows is None else good[rows]
    bank = MemoryBank(good, device=device)
    scores = bank.reweighted(
        pictures, bank.distance_maps(pictures, num_neighbors=1, leave_out=rows), leave_out=rows
    )  # fmt: skip
    for number, picture in enumerate(pictures):
        left = (good if rows is None else np.delete(good, rows[number], axis=0)).reshape(-1, 6).astype(np.float64)
        assert scores[number] == pytest.approx(equation_7(left, picture), rel=1e-6)


def test_a_score_is_lower_where_the_bank_is_dense_which_shows_less_where_distances_are_small():
    dense, sparse = np.zeros((9, 2)), np.zeros((9, 2))
    sparse[1:, 0] = -3  # the 8 others are farther from the picture than its nearest
    weights = []
    for length in (1.0, 1 / 6):  # in the second, no distance is above 1
        for rows in (dense, sparse):
            bank = MemoryBank(np.float32(rows * length).reshape(1, 3, 3, 2))
            picture = np.float32([2 * length, 0]).reshape(1, 1, 1, 2)
            maps = bank.distance_maps(picture, num_neighbors=1)
            weights.append(float(bank.reweighted(picture, maps)[0] / maps.max()))
    assert weights[0] == pytest.approx(8 / 9)
    assert weights[1] == pytest.approx(1 - 1 / (1 + 8 * math.exp(3)))
    assert weights[1] - weights[0] > 2 * (weights[3] - weights[2]) > 0


def test_one_row_alone_says_nothing_of_density():
    bank = MemoryBank(GOOD[:1, :1, :1])
    maps = bank.distance_maps(OTHERS, num_neighbors=1)
    np.testing.assert_allclose(bank.reweighted(OTHERS, maps), maps.max(axis=(1, 2)), rtol=1e-6)


def test_more_neighbours_than_other_pictures_have_patches_are_refused():
    with pytest.raises(IadError, match="k = 49"):
        MemoryBank(GOOD).distance_maps(GOOD[:1], num_neighbors=49, leave_out=np.array([0]))


def test_a_bank_of_no_picture_is_refused():
    with pytest.raises(IadError, match="a memory bank of no picture; add good pictures"):
        MemoryBank(GOOD[:0])


def test_a_feature_that_is_not_finite_is_refused():
    broken = GOOD.copy()
    broken[1, 1, 1, 1] = np.nan
    with pytest.raises(IadError, match="finite"):
        MemoryBank(broken)
