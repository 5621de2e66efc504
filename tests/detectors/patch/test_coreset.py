"""Greedy k-centre against the plain algorithm in float64: one reading of the bank per centre."""

import numpy as np
import pytest

from iad.detectors.patch import coreset
from iad.detectors.patch.coreset import greedy_coreset
from iad.errors import IadError


def distances_to(bank, row):
    return np.square(bank.astype(np.float64) - bank[row].astype(np.float64)).sum(1)


def oracle(bank, count, seed):
    """Rows in the order of the choice; the first is the same draw."""
    chosen = [int(np.random.default_rng(seed).integers(len(bank), size=1)[0])]
    nearest = distances_to(bank, chosen[0])
    while len(chosen) < count and nearest.max() > 0:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, distances_to(bank, chosen[-1]))
    return chosen


def radius(bank, rows):
    """Largest distance of any row to the nearest chosen one."""
    return np.sqrt(np.min([distances_to(bank, row) for row in rows], axis=0).max())


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def clustered(seed, n, d):
    return (normal(seed, 12, d)[np.random.default_rng(seed).integers(12, size=n)] * 20 + normal(seed + 1, n, d)).astype(
        np.float32
    )


def near_copies(seed, n, d):
    """Seven tight heaps: their rows differ in the last bits."""
    bits = normal(seed, 7, d).view(np.int32)[np.arange(n) % 7]
    return (bits + np.random.default_rng(seed).integers(-9, 10, size=(n, d), dtype=np.int32)).view(np.float32)


def far_off(seed, n, d):
    return (normal(seed, n, d) + 4096).astype(np.float32)


def huge_row(seed, n, d):
    rows = normal(seed, n, d)
    rows[n // 2] *= 1e8
    return rows


def huge_coordinate(seed, n, d):
    rows = normal(seed, n, d)
    rows[:, 0] *= 1e6
    return rows


def heavy_tails(seed, n, d):
    return np.random.default_rng(seed).standard_cauchy((n, d)).astype(np.float32)


def minute(seed, n, d):
    return (normal(seed, n, d) * 1e-22).astype(np.float32)


KINDS = [normal, clustered, near_copies, far_off, huge_row, huge_coordinate, heavy_tails, minute]


def assert_order(kind, pool, device, monkeypatch):
    monkeypatch.setattr(coreset, "POOL", pool)
    monkeypatch.setattr(coreset, "CHUNK", 100)
    monkeypatch.setattr(coreset, "CENTRES", 40)
    for seed in (0, 1):
        bank = kind(seed, 430, 33)
        assert greedy_coreset(bank, 120, seed=seed, device=device).tolist() == oracle(bank, 120, seed)


@pytest.mark.parametrize("pool", [64, 2048])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_order_is_that_of_the_plain_algorithm(kind, pool, device, monkeypatch):
    assert_order(kind, pool, device, monkeypatch)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_order_stays_where_a_pool_holds_few_rows(kind, monkeypatch):  # which takes many rounds
    assert_order(kind, 7, "cpu", monkeypatch)


@pytest.mark.parametrize(("n", "d"), [(1, 1), (2, 3), (50, 1), (300, 130)])
def test_all_rows_can_be_chosen_each_once(n, d, device):
    bank = normal(2, n, d)
    chosen = greedy_coreset(bank, n, seed=3, device=device)
    assert chosen.tolist() == oracle(bank, n, 3)
    assert sorted(chosen.tolist()) == list(range(n))


@pytest.mark.parametrize("pool", [5, 2048])
def test_copies_end_the_choice(pool, monkeypatch):
    monkeypatch.setattr(coreset, "POOL", pool)
    bank = normal(4, 11, 20)[np.arange(400) % 11]
    chosen = greedy_coreset(bank, 30)
    assert len(chosen) == 11
    assert len(np.unique(bank[chosen], axis=0)) == 11
    assert len(greedy_coreset(np.ones((40, 3), np.float32), 5)) == 1


def test_a_smaller_choice_is_the_beginning_of_a_larger_one():
    bank = normal(5, 500, 24)
    assert greedy_coreset(bank, 40).tolist() == greedy_coreset(bank, 90)[:40].tolist()


@pytest.mark.parametrize("seed", range(5))
def test_no_random_choice_leaves_rows_less_far(seed):
    bank = clustered(seed, 800, 16)
    drawn = np.random.default_rng(seed).choice(800, size=20, replace=False)
    assert radius(bank, greedy_coreset(bank, 20, seed=seed)) < radius(bank, drawn)


def test_the_radius_is_at_most_twice_that_of_any_choice():
    rng = np.random.default_rng(6)
    centres = np.array([[0, 0], [100, 0], [0, 100], [100, 100]])
    bank = (centres[np.arange(80) % 4] + rng.uniform(-1, 1, size=(80, 2))).astype(np.float32)
    assert radius(bank, greedy_coreset(bank, 4)) <= 2 * np.sqrt(2)  # the centres themselves would leave sqrt(2)


def test_other_seeds_begin_elsewhere():
    bank = normal(7, 300, 8)
    assert len({int(greedy_coreset(bank, 1, seed=seed)[0]) for seed in range(6)}) > 1


def test_a_memory_mapped_bank_is_read_and_stays_as_it_is(tmp_path):
    bank = normal(8, 600, 40)
    np.save(tmp_path / "bank.npy", bank)
    mapped = np.load(tmp_path / "bank.npy", mmap_mode="r")
    assert greedy_coreset(mapped, 50).tolist() == oracle(bank, 50, 0)
    np.testing.assert_array_equal(np.load(tmp_path / "bank.npy"), bank)


def test_the_bar_counts_every_row_that_is_chosen(monkeypatch):
    counts = []

    class Shown:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def update(self, n=1):
            counts.append(n)

    def shown(title, total, unit):
        assert (title, total, unit) == ("coreset", 70, " patches")
        return Shown()

    monkeypatch.setattr(coreset, "bar", shown)
    monkeypatch.setattr(coreset, "POOL", 30)
    greedy_coreset(normal(9, 400, 12), 70)
    assert sum(counts) == 70
    assert len(counts) > 3  # not all at the end


@pytest.mark.parametrize("count", [0, -1, 31])
def test_a_count_that_the_bank_cannot_give_is_refused(count):
    with pytest.raises(IadError, match=f"coreset of {count} rows from a bank of 30: choose from 1 to 30"):
        greedy_coreset(normal(0, 30, 4), count)


@pytest.mark.parametrize("bank", [np.full((9, 2), np.nan, np.float32), np.zeros((9, 2)), np.zeros(9, np.float32)])
def test_a_bank_that_is_no_bank_is_refused(bank):
    with pytest.raises(IadError, match="bank: "):
        greedy_coreset(bank, 2)
