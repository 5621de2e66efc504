"""A view against the copy that fancy indexing makes."""

import numpy as np
import pytest

from iad.detectors.patch.coreset import greedy_coreset
from iad.detectors.patch.memory_bank import MemoryBank
from iad.errors import IadError
from iad.neighbors import patch_view
from iad.neighbors.patch_view import PatchView

RNG = np.random.default_rng(0)
STORED = RNG.normal(size=(9, 3, 4, 6)).astype(np.float16)
CHOSEN = np.array([7, 0, 4])
COPIES = RNG.normal(size=(3, 2, 3, 4, 6)).astype(np.float16)

VIEWS = {
    "all": (PatchView(STORED), STORED),
    "all, float32": (PatchView(STORED.astype(np.float32)), STORED),
    "chosen": (PatchView(STORED, CHOSEN), STORED[CHOSEN]),
    "chosen, with copies": (
        PatchView(STORED, CHOSEN, copies=COPIES),
        np.concatenate([STORED[CHOSEN][:, None], COPIES], axis=1).reshape(3, 9, 4, 6),
    ),
}


@pytest.fixture(params=VIEWS.values(), ids=VIEWS)
def pair(request):
    return request.param


def test_pictures_and_shape_are_those_of_the_copy(pair):
    view, copy = pair
    assert view.shape == copy.shape
    assert len(view) == len(copy)
    assert (view.rows, view.per_picture) == (copy[..., 0].size, copy[0, ..., 0].size)
    for number, picture in enumerate(copy):
        np.testing.assert_array_equal(view[number], picture)


@pytest.mark.parametrize("chunk", [5, 8192])
def test_rows_are_those_of_the_copy_wherever_they_are_read(pair, chunk, monkeypatch):
    monkeypatch.setattr(patch_view, "CHUNK", chunk)
    view, flat = pair[0], pair[1].reshape(-1, 6).astype(np.float32)
    some = np.array([len(flat) - 1, 0, 13, 13, 30, 11, 12])
    assert view.gather().dtype == np.float32
    np.testing.assert_array_equal(view.gather(), flat)
    np.testing.assert_array_equal(view.gather(some), flat[some])
    for start, stop in ((0, 5), (10, 14), (len(flat) - 3, len(flat) + 9)):
        np.testing.assert_array_equal(view.read(start, stop).numpy(), flat[start:stop])


def test_views_of_reversed_arrays_and_numbers_are_read_like_any_other():
    patches = STORED[:, :1, :1]
    np.testing.assert_array_equal(PatchView(patches[::-1]).gather(), patches[::-1].reshape(-1, 6))
    np.testing.assert_array_equal(PatchView(STORED, CHOSEN[::-1])[0], STORED[4])


def test_float32_in_memory_is_not_copied():
    stored = STORED.astype(np.float32)
    assert np.shares_memory(PatchView(stored).gather(), stored)


@pytest.mark.parametrize("coreset", [1.0, 0.3])
def test_a_bank_of_a_view_is_the_bank_of_the_copy(pair, coreset):
    view, copy = pair
    viewed, copied = (
        MemoryBank(patches, coreset_sampling_ratio=coreset, seed=2) for patches in (view, copy.astype(np.float16))
    )
    np.testing.assert_array_equal(viewed.rows, copied.rows)
    own, found = np.array([2, 0]), []
    for bank, pictures in ((viewed, view), (copied, copy)):
        maps = bank.distance_maps(pictures, num_neighbors=1)
        left_out = bank.distance_maps(PatchView(STORED, own), num_neighbors=2, leave_out=own)
        found.append((maps, left_out, bank.reweighted(pictures, maps)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_half_precision_is_chosen_from_like_its_float32_twin_and_stays_on_disk(tmp_path):
    np.save(tmp_path / "patches.npy", STORED)
    mapped = np.load(tmp_path / "patches.npy", mmap_mode="r")
    flat = STORED.reshape(-1, 6).astype(np.float32)
    np.testing.assert_array_equal(greedy_coreset(PatchView(mapped), 20), greedy_coreset(flat, 20))
    np.testing.assert_array_equal(greedy_coreset(flat.astype(np.float16), 20), greedy_coreset(flat, 20))
    np.testing.assert_array_equal(np.load(tmp_path / "patches.npy"), STORED)


def test_with_a_coreset_no_more_rows_are_ever_read_at_once_than_a_chunk_or_the_kept_ones(monkeypatch):
    sizes, asked = [], PatchView(np.repeat(STORED, 30, axis=0), np.arange(5, 260))

    def seen(read):
        def wrapped(self, *wanted):
            sizes.append(len(found := read(self, *wanted)))
            return found

        return wrapped

    for name in ("read", "take", "gather"):
        monkeypatch.setattr(PatchView, name, seen(getattr(PatchView, name)))
    monkeypatch.setattr("iad.detectors.patch.coreset.CHUNK", 200)
    monkeypatch.setattr("iad.detectors.patch.coreset.POOL", 64)
    MemoryBank(asked, coreset_sampling_ratio=0.03)
    assert len(sizes) > 20
    assert max(sizes) <= 200 < asked.rows


def test_copies_of_other_pictures_or_another_size_are_refused():
    for copies in (COPIES[:2], COPIES[:, :, :2]):
        with pytest.raises(IadError, match=r"copies of the shape .* do not fit 3 pictures of \(3, 4, 6\)"):
            PatchView(STORED, CHOSEN, copies=copies)


def test_other_types_are_refused():
    with pytest.raises(IadError, match=r"bank: float64 of the shape \(9, 3, 4, 6\); give float16 or float32"):
        PatchView(STORED.astype(np.float64))
