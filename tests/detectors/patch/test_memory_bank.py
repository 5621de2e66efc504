"""Distance maps of a memory bank against a double loop over patches."""

import numpy as np
import pytest

from iad.detectors.patch.coreset import greedy_coreset
from iad.detectors.patch.memory_bank import MemoryBank
from iad.errors import IadError
from iad.neighbors.patch_view import PatchView

RNG = np.random.default_rng(0)
GOOD = RNG.normal(size=(5, 3, 4, 6)).astype(np.float16)
OTHERS = RNG.normal(size=(3, 3, 4, 6)).astype(np.float16)


def distance(patch, bank, k):
    return np.sort(np.linalg.norm(bank.astype(np.float64) - patch.astype(np.float64), axis=1))[:k].mean()


def oracle(pictures, bank_of, k):
    """Mean distance to the k nearest of `bank_of(number of the picture)`, patch by patch."""
    return np.array([
        [[distance(patch, bank_of(number), k) for patch in row] for row in picture]
        for number, picture in enumerate(pictures)
    ])  # fmt: skip


@pytest.mark.parametrize("k", [1, 3])
def test_each_place_holds_the_distance_to_the_nearest_good_patches(k, device):
    maps = MemoryBank(GOOD, device=device).distance_maps(OTHERS, k=k, title="test")
    np.testing.assert_allclose(maps, oracle(OTHERS, lambda _: GOOD.reshape(-1, 6), k), rtol=1e-6)
    assert maps.dtype == np.float32


@pytest.mark.parametrize("k", [1, 3])
def test_a_picture_of_the_bank_is_compared_with_all_other_pictures_and_not_with_itself(k):
    own = np.array([0, 2, 4])
    maps = MemoryBank(GOOD).distance_maps(GOOD[own], k=k, title="test", own=own)
    expected = oracle(GOOD[own], lambda place: np.delete(GOOD, own[place], axis=0).reshape(-1, 6), k)
    np.testing.assert_allclose(maps, expected, rtol=1e-6)


def test_a_coreset_keeps_the_rows_that_greedy_selection_names_and_still_leaves_a_picture_out(device):
    bank, flat = MemoryBank(GOOD, coreset=0.4, seed=3, device=device), GOOD.reshape(-1, 6).astype(np.float32)
    np.testing.assert_array_equal(bank.rows, np.sort(greedy_coreset(flat, 24, seed=3)))
    own = np.arange(5)

    def others(place):
        return flat[[row for row in bank.rows if row // 12 != place]]

    np.testing.assert_allclose(bank.distance_maps(GOOD, k=1, title="test", own=own), oracle(GOOD, others, 1), rtol=1e-6)


def test_a_bank_of_rows_chosen_before_is_the_bank_that_chose_them():
    first = MemoryBank(GOOD, coreset=0.4, seed=3)
    again = MemoryBank.of_rows(GOOD.reshape(-1, 6)[first.rows], first.rows, per_picture=12)
    own = np.arange(5)
    for pictures, number in ((OTHERS, None), (GOOD, own)):
        maps = [bank.distance_maps(pictures, k=2, title="test", own=number) for bank in (first, again)]
        np.testing.assert_array_equal(*maps)
        np.testing.assert_array_equal(*[bank.reweighted(pictures, maps[0], own=number) for bank in (first, again)])


@pytest.mark.parametrize("coreset", [1.0, 0.5])
def test_the_copies_of_a_picture_are_hidden_with_it(coreset):
    copies = RNG.normal(size=(5, 2, 3, 4, 6)).astype(np.float16)
    bank = MemoryBank(PatchView(GOOD, copies=copies), coreset=coreset)
    flat = np.concatenate([GOOD[:, None], copies], axis=1).reshape(-1, 6)

    def others(place):
        return flat[[row for row in bank.rows if row // 36 != place]]

    maps = bank.distance_maps(GOOD, k=2, title="test", own=np.arange(5))
    np.testing.assert_allclose(maps, oracle(GOOD, others, 2), rtol=1e-6)


@pytest.mark.parametrize("own", [None, np.array([0, 2, 4])])
def test_reweighting_follows_equation_7_of_patchcore(own, device):
    pictures = OTHERS if own is None else GOOD[own]
    bank = MemoryBank(GOOD, device=device)
    scores = bank.reweighted(pictures, bank.distance_maps(pictures, k=1, title="test", own=own), own=own)
    for number, picture in enumerate(pictures):
        good = (GOOD if own is None else np.delete(GOOD, own[number], axis=0)).reshape(-1, 6).astype(np.float64)
        to_good = np.linalg.norm(picture.reshape(-1, 1, 6).astype(np.float64) - good, axis=2)
        worst = to_good.min(axis=1).argmax()
        nearest = to_good[worst].argmin()
        support = np.argsort(np.linalg.norm(good - good[nearest], axis=1))[:9]
        weight = 1 - np.exp(to_good[worst, nearest]) / np.exp(to_good[worst, support]).sum()
        np.testing.assert_allclose(scores[number], weight * to_good[worst, nearest], rtol=1e-6)


def test_more_neighbours_than_other_pictures_have_patches_are_refused():
    with pytest.raises(IadError, match="k = 49"):
        MemoryBank(GOOD).distance_maps(GOOD[:1], k=49, title="test", own=np.array([0]))


def test_a_bank_of_no_picture_is_refused():
    with pytest.raises(IadError, match="at least one good picture"):
        MemoryBank(GOOD[:0])


def test_a_feature_that_is_not_finite_is_refused():
    broken = GOOD.copy()
    broken[1, 1, 1, 1] = np.nan
    with pytest.raises(IadError, match="finite"):
        MemoryBank(broken)
