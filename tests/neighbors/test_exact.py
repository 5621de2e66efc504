"""Exact search against brute force in float64, on kind and on hostile data, through every chain of filters."""

import numpy as np
import pytest
import torch

from iad.errors import IadError
from iad.neighbors import clusters as cluster_filter
from iad.neighbors import codes
from iad.neighbors import exact as exact_search
from iad.neighbors.clusters import CUTS, ClusterFilter, bank_axes
from iad.neighbors.exact import ExactSearch
from iad.neighbors.filters import Float32Filter, Int8Filter
from tests.helpers import int8_products_are_exact
from tests.process_state import LoweredProducts, process_state, unusual_settings

INT8_IS_EXACT = int8_products_are_exact()


def clusters(bank):
    return ClusterFilter(bank, min(5, bank.shape[1]), *bank_axes(bank, CUTS))


CHAINS = {
    "direct": [],
    "clusters": [clusters],
    "clusters, float32": [clusters, Float32Filter],
    "int8": [Int8Filter],
    "float32": [Float32Filter],
    "both": [Int8Filter, Float32Filter],
    "none": [],
}


def oracle(bank, queries, hidden=(0, 0)):
    """Squared distances in float64 `(M, N)`, from differences."""
    squared = np.array([np.square(bank.astype(np.float64) - query.astype(np.float64)).sum(1) for query in queries])
    squared[:, slice(*hidden)] = np.inf
    return squared


def search(chain, bank, queries, k, hidden=(0, 0), device="cpu"):
    if clusters in CHAINS[chain] and device != "cpu":
        pytest.skip("clusters are for processors")
    if Int8Filter in CHAINS[chain] and not INT8_IS_EXACT:
        pytest.skip("this processor's products of 8-bit integers saturate or are not there")
    searched = ExactSearch(bank, low_precision=False, device=device)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster_filter, "ROWS", 100)
        searched.filters = [one(searched.bank) for one in CHAINS[chain]]
        for limit in ("SMALL", "MEDIUM"):
            patch.setattr(exact_search, limit, getattr(exact_search, limit) if chain == "direct" else 0)
        return searched.search(queries, k, hidden=np.array([hidden]))


def assert_nearest(distances, rows, bank, queries, k, hidden=(0, 0)):
    """The k smallest, each row once, in the order of the rows where equally near."""
    squared = oracle(bank, queries, hidden)
    np.testing.assert_allclose(distances, np.sqrt(np.sort(squared, axis=1)[:, :k]), rtol=1e-12)
    np.testing.assert_allclose(distances, np.sqrt(np.take_along_axis(squared, rows, 1)), rtol=1e-12)
    assert all(len(set(found)) == k for found in rows.tolist())
    same = np.diff(distances, axis=1) == 0
    assert (np.diff(rows, axis=1)[same] > 0).all()


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def clustered(n, d):
    return (normal(0, 9, d)[np.arange(n) % 9] * 30 + normal(1, n, d)).astype(np.float32)


def copies(n, d):
    return normal(2, 7, d)[np.arange(n) % 7]


def last_bits(n, d):
    """Rows that differ from one another in the last bits only."""
    bits = np.broadcast_to(normal(3, d).view(np.int32), (n, d))
    return (bits + np.random.default_rng(4).integers(-2, 3, size=(n, d), dtype=np.int32)).view(np.float32)


def far_off(n, d):
    return (normal(5, n, d) + 4096).astype(np.float32)


def huge_coordinate(n, d):
    rows = normal(6, n, d)
    rows[:, 0] *= 1e6
    return rows


def huge_row(n, d):
    rows = normal(7, n, d)
    rows[n // 3] *= 1e7
    return rows


def heavy_tails(n, d):
    return np.random.default_rng(8).standard_cauchy((n, d)).astype(np.float32)


def with_zeros(n, d):
    rows = normal(9, n, d)
    rows[::3] = 0
    return rows


def all_zero(n, d):
    return np.zeros((n, d), np.float32)


def minute(n, d):
    return (normal(10, n, d) * 1e-22).astype(np.float32)


def largest_allowed(n, d):
    return (normal(11, n, d).clip(-5, 5) * 2e14).astype(np.float32)


def sizes_apart(n, d):
    """Rows of lengths from 1e-10 to 1e10."""
    return (normal(12, n, d) * np.logspace(-10, 10, n, dtype=np.float32)[:, None]).astype(np.float32)


KINDS = [
    normal, clustered, copies, last_bits, far_off, huge_coordinate, huge_row, heavy_tails, with_zeros, all_zero, minute,
    largest_allowed, sizes_apart,
]  # fmt: skip


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_neighbours_are_those_of_brute_force(kind, chain, device):
    rows = kind(0, 630, 70) if kind is normal else kind(630, 70)
    bank, unseen = np.ascontiguousarray(rows[:600]), rows[600:]
    queries = np.concatenate([unseen, bank[:6], np.zeros((1, 70), np.float32), 1e3 * unseen[:2]]).astype(np.float32)
    for k in (1, 5, 40):
        found = search(chain, bank, queries.clip(-1e15, 1e15), k, device=device)
        assert_nearest(*found, bank, queries.clip(-1e15, 1e15), k)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 255, 256, 257, 2047, 2048, 2049])
def test_banks_of_any_size_give_up_to_all_their_rows(size, chain, device, monkeypatch):
    monkeypatch.setattr(codes, "MANY", 0)  # chunks as short as for many queries
    bank, queries = normal(0, size, 3), normal(1, 4, 3)
    for k in {1, min(size, 6), size} if size < 300 else {1, 6}:
        assert_nearest(*search(chain, bank, queries, k, device=device), bank, queries, k)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("dimensions", [1, 2, 63, 64, 65, 200])
def test_vectors_may_have_any_number_of_dimensions(dimensions, chain):
    bank, queries = normal(0, 500, dimensions), normal(1, 20, dimensions)
    assert_nearest(*search(chain, bank, queries, 5), bank, queries, 5)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize(
    "hidden", [(0, 0), (0, 1), (5, 40), (250, 270), (2040, 2060), (16, 2048), (0, 2095), (3, 2098), (100, 2100)]
)
def test_hidden_rows_are_no_neighbours_across_the_borders_of_groups_and_chunks(hidden, chain, device, monkeypatch):
    monkeypatch.setattr(codes, "MANY", 0)  # chunks as short as for many queries
    bank = normal(0, 2100, 8)
    queries = np.concatenate([bank[sum(hidden) // 2][None], normal(1, 5, 8)])
    for k in (1, 5):
        assert_nearest(*search(chain, bank, queries, k, hidden, device), bank, queries, k, hidden)


@pytest.mark.parametrize("chain", CHAINS)
def test_no_row_is_found_twice_where_few_may_be_found(chain):
    bank = normal(0, 32, 5)  # hidden rows leave three in the first group and two in the last
    assert_nearest(*search(chain, bank, bank[:9], 4, (3, 30)), bank, bank[:9], 4, (3, 30))


@pytest.mark.parametrize("chain", ["direct", "int8", "float32"])
def test_a_filter_settles_ordinary_queries_without_brute_force(chain, monkeypatch):
    bank, queries = normal(0, 4000, 96), normal(1, 50, 96)

    def refuse(*_):
        raise AssertionError("brute force")

    monkeypatch.setattr(ExactSearch, "_brute", refuse)
    assert_nearest(*search(chain, bank, queries, 5), bank, queries, 5)


def test_of_copies_the_first_rows_are_found():
    bank = np.repeat(normal(0, 3, 10), 40, axis=0)
    distances, rows = ExactSearch(bank).search(bank[[0, 119]], 3)
    assert rows.tolist() == [[0, 1, 2], [80, 81, 82]]
    assert (distances == 0).all()


def test_queries_are_answered_block_by_block(monkeypatch):
    bank, queries = normal(0, 300, 12), normal(1, 23, 12)
    whole = ExactSearch(bank).search(queries, 3)
    monkeypatch.setattr(exact_search, "QUERIES", 10)
    parts = ExactSearch(bank).search(queries, 3)
    assert_nearest(*parts, bank, queries, 3)
    np.testing.assert_array_equal(whole[1], parts[1])


@pytest.mark.parametrize("chain", CHAINS)
def test_one_query_is_answered_like_many(chain):
    for size, k in ((300, 5), (3000, 1), (1, 1)):
        bank, queries = normal(0, size, 12), normal(1, 1, 12)
        assert_nearest(*search(chain, bank, queries, k), bank, queries, k)


def test_no_queries_give_no_neighbours():
    distances, rows = ExactSearch(normal(0, 30, 4)).search(np.empty((0, 4), np.float32), 2)
    assert distances.shape == rows.shape == (0, 2)


@pytest.mark.parametrize("low_precision", [True, False])
def test_low_precision_elsewhere_does_not_reach_the_search(low_precision, device, monkeypatch):
    monkeypatch.setattr(exact_search, "SMALL", 0)
    bank, queries = normal(0, 3000, 64), normal(1, 20, 64)
    with unusual_settings():
        before = process_state()
        with torch.autocast(device if torch.cuda.is_available() else "cpu", dtype=torch.bfloat16):
            found = ExactSearch(bank, low_precision=low_precision, device=device).search(queries, 5)
        assert process_state() == before
    assert_nearest(*found, bank, queries, 5)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("kind", [normal, last_bits, far_off, sizes_apart], ids=lambda kind: kind.__name__)
def test_neighbours_stay_exact_where_products_are_lowered(kind, chain):
    rows = kind(0, 630, 70) if kind is normal else kind(630, 70)
    bank, queries = np.ascontiguousarray(rows[:600]), np.ascontiguousarray(rows[590:])
    with LoweredProducts():
        found = search(chain, bank, queries, 5)
    assert_nearest(*found, bank, queries, 5)
    for one, other in zip(found, search(chain, bank, queries, 5), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("queries", [1, 17, 300])
def test_whole_searches_agree_on_every_device(queries, device, monkeypatch):
    monkeypatch.setattr(exact_search, "SMALL", 0)
    bank, asked = clustered(5000, 40), normal(1, queries, 40)
    found = ExactSearch(bank, device=device).search(asked, 3, hidden=np.array([[7, 900]]))
    expected = oracle(bank, asked, (7, 900))
    np.testing.assert_array_equal(found[1], expected.argsort(axis=1, kind="stable")[:, :3])


def test_rows_of_the_bank_are_given_back(device):
    bank, rows = normal(0, 40, 6), np.array([3, 39, 3])
    np.testing.assert_array_equal(ExactSearch(bank, device=device).vectors(rows), bank[rows])


def test_a_bank_that_does_not_fit_on_the_card_is_refused_in_one_line(monkeypatch):
    def full(_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(exact_search, "Float32Filter", full)
    with pytest.raises(IadError, match=r"bank: 30 rows of 4 values, 0.0 GB .* smaller coreset, or set compute.device"):
        ExactSearch(normal(0, 30, 4))


def test_a_memory_mapped_bank_is_searched_and_stays_as_it_is(tmp_path):
    bank = normal(0, 700, 20)
    np.save(tmp_path / "bank.npy", bank)
    mapped = np.load(tmp_path / "bank.npy", mmap_mode="r")
    assert_nearest(*ExactSearch(mapped).search(bank[:9], 5), bank, bank[:9], 5)
    np.testing.assert_array_equal(np.load(tmp_path / "bank.npy"), bank)


@pytest.mark.parametrize(
    ("bank", "message"),
    [
        (np.empty((0, 4), np.float32), "bank: no rows"),
        (np.zeros(4, np.float32), r"bank: float32 of the shape \(4,\); give float32 of the shape \(rows, dimensions\)"),
        (np.zeros((4, 2)), "bank: float64"),
        (np.full((9, 2), np.nan, np.float32), "bank: a value in rows 0 to 8 is not finite"),
        (np.full((9, 2), -np.inf, np.float32), "not finite"),
        (np.full((9, 2), 2e15, np.float32), r"beyond 1e\+15"),
    ],
)
def test_a_bank_that_cannot_be_searched_is_refused(bank, message):
    with pytest.raises(IadError, match=message):
        ExactSearch(bank)


@pytest.mark.parametrize(
    ("queries", "k", "hidden", "message"),
    [
        (np.zeros((2, 3), np.float32), 1, (0, 0), r"queries: .* give float32 of the shape \(rows, 4\)"),
        (np.full((2, 4), np.inf, np.float32), 1, (0, 0), "queries: .* not finite"),
        (
            np.zeros((2, 4), np.float32),
            0,
            (0, 0),
            "k = 0, but the bank has 30 rows to choose from; set k to 1 or more$",
        ),
        (np.zeros((2, 4), np.float32), 31, (0, 0), "k = 31, but the bank has 30 rows to choose from; set k to 30"),
        (np.zeros((2, 4), np.float32), 29, (3, 5), "k = 29, but the bank has 28 rows"),
        (np.zeros((2, 4), np.float32), 1, (0, 30), "k = 1, but the bank has no rows to choose from; give it more good"),
    ],
)
def test_queries_that_cannot_be_answered_are_refused(queries, k, hidden, message):
    with pytest.raises(IadError, match=message):
        ExactSearch(normal(0, 30, 4)).search(queries, k, hidden=np.array([hidden]))
