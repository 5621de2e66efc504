"""Clusters of a bank: when they are made, what they settle, and that no neighbour is ever lost to them."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from iad.neighbors import clusters
from iad.neighbors import exact as exact_search
from iad.neighbors.clusters import CUTS, ClusterFilter, bank_axes, clustered, clusters_that_help, improved
from iad.neighbors.exact import ExactSearch
from tests.pretended_card import PretendedCard


def near_few_axes(seed, rows, dimensions, axes=6, noise=0.05):
    rng = np.random.default_rng(seed)
    directions = np.random.default_rng(99).standard_normal((axes, dimensions))
    found = rng.standard_normal((rows, axes)) @ directions + noise * rng.standard_normal((rows, dimensions))
    return found.astype(np.float32)


def brute(bank, queries, k, hidden):
    squared = np.array([np.square(bank.astype(np.float64) - query.astype(np.float64)).sum(1) for query in queries])
    for row, (first, last) in zip(squared, hidden, strict=True):
        row[first:last] = np.inf
    rows = squared.argsort(axis=1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(squared, rows, 1)), rows


@pytest.fixture
def few_rows(monkeypatch):
    """Banks of few rows have clusters too, from the first query on."""
    for module, name, value in (
        (clusters, "SMALLEST", 200), (clusters, "FEWER", 2), (clusters, "ROWS", 64), (exact_search, "PAYS", 1),
        (exact_search, "CROWD", 1), (exact_search, "SMALL", 0),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)


def test_two_thousand_random_searches_find_what_brute_force_finds(few_rows):
    rng = np.random.default_rng(0)
    compared = 0
    for number in range(100):
        size, dimensions = int(rng.integers(200, 900)), int(rng.integers(34, 90))
        spread = 10.0 ** rng.integers(-3, 4)
        bank = near_few_axes(number, size, dimensions, noise=float(rng.choice([0, 0.01, 0.3]))) * np.float32(spread)
        queries = near_few_axes(number + 1000, 20, dimensions) * np.float32(spread * rng.choice([0.5, 1, 3]))
        first = rng.integers(0, size - 100, size=20)
        hidden = np.stack([first, first + rng.integers(0, 100, size=20)], axis=1)
        k = int(rng.integers(1, 8))
        search = ExactSearch(bank, low_precision=False)
        distances, rows = search.search(queries, k, hidden=hidden)
        wanted, places = brute(bank, queries, k, hidden)
        np.testing.assert_allclose(distances, wanted, rtol=1e-12)
        np.testing.assert_array_equal(rows, places)
        compared += 0 if search.clusters is None else len(queries)
    assert compared >= 1900  # of few banks do the axes explain too little


@pytest.mark.parametrize("k", [1, 5])
def test_queries_near_the_bank_are_settled_by_clusters_alone(few_rows, k, monkeypatch):
    bank, queries = near_few_axes(0, 3000, 70), near_few_axes(1, 100, 70)
    search = ExactSearch(bank, low_precision=False)
    monkeypatch.setattr(search, "filters", [])
    monkeypatch.setattr(ExactSearch, "_brute", lambda *_: pytest.fail("brute force"))
    hidden = np.zeros((100, 2), dtype=np.int64)
    np.testing.assert_array_equal(search.search(queries, k)[1], brute(bank, queries, k, hidden)[1])


def test_a_cluster_out_of_reach_is_not_looked_at(few_rows, monkeypatch):
    bank = near_few_axes(0, 2048, 70)
    bank[1024:, 0] += 1000
    search, looked = ExactSearch(bank, low_precision=False), []
    reached = clusters._Search._reached
    monkeypatch.setattr(
        clusters._Search,
        "_reached",
        lambda self, cluster, *rest: looked.append(cluster) or reached(self, cluster, *rest),
    )
    search.search(bank[:50], 1)
    assert {int(row >= 1024) for cluster in looked for row in search.clusters.rows[cluster].tolist()} == {0}


def test_clusters_are_made_once_as_many_queries_were_asked_as_pay_for_them(few_rows, monkeypatch):
    monkeypatch.setattr(exact_search, "PAYS", 100)
    bank, queries = near_few_axes(0, 5000, 64), near_few_axes(1, 60, 64)
    search = ExactSearch(bank, low_precision=False)
    before = search.search(queries, 3)
    assert search.clusters is None
    after = search.search(queries, 3)
    made = search.clusters
    assert made is not None
    search.search(queries, 3)
    assert search.clusters is made
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("bank", "helps"),
    [
        (np.random.default_rng(0).standard_normal((5000, 200), dtype=np.float32), False),  # along no few axes
        (near_few_axes(0, 5000, 200), True),
        (near_few_axes(0, 900, 200), False),  # too few rows
        (near_few_axes(0, 5000, 100), False),  # a short vector would be too long
        (np.zeros((5000, 200), np.float32), False),
    ],
)
def test_clusters_are_for_large_banks_near_few_axes(bank, helps, monkeypatch):
    monkeypatch.setattr(clusters, "SMALLEST", 1000)
    assert (clusters_that_help(torch.from_numpy(bank)) is not None) is helps


@pytest.mark.parametrize(("device", "fast"), [("cpu", True), ("cuda", True), ("cuda", False)])
def test_no_clusters_where_integers_or_a_card_are_faster(device, fast, few_rows, monkeypatch):
    monkeypatch.setattr(exact_search, "int8_is_fast", lambda _: fast)
    monkeypatch.setattr(exact_search, "Int8Filter", exact_search.Float32Filter)
    with PretendedCard() if device == "cuda" else nullcontext():
        search = ExactSearch(near_few_axes(0, 2000, 70), device=device)
        search.search(near_few_axes(1, 50, 70), 1)
    assert search.clusters is None


def test_every_row_is_in_one_cluster():
    bank = torch.from_numpy(near_few_axes(0, 5003, 20))
    mean, axes = bank_axes(bank, 8)
    rows = clustered(bank, mean, axes)
    assert len(rows) > 1
    assert torch.equal(rows[rows < len(bank)].sort().values, torch.arange(len(bank)))


def test_axes_are_orthonormal_and_find_the_directions_of_the_bank():
    bank = torch.from_numpy(near_few_axes(0, 5000, 50, axes=4, noise=0.001))
    mean, axes = bank_axes(bank, 4)
    torch.testing.assert_close(axes.T @ axes, torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-12)
    centred = bank.double() - mean
    assert float((centred @ axes).square().sum() / centred.square().sum()) > 0.999
    again = improved(axes, centred)
    torch.testing.assert_close(again.T @ again, torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-12)


def test_axes_of_rows_that_do_not_differ_are_orthonormal_too():
    _, axes = bank_axes(torch.ones(300, 12), 5)
    torch.testing.assert_close(axes.T @ axes, torch.eye(5, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 4096.0])
def test_short_distances_exceed_no_true_distance_by_more_than_their_error(offset):
    bank = torch.from_numpy(near_few_axes(0, 600, 40) + np.float32(offset))
    queries = torch.from_numpy(near_few_axes(1, 50, 40) + np.float32(offset))
    filtered = ClusterFilter(bank, 3, *bank_axes(bank, CUTS))
    placed = (queries.double() - filtered.mean).float()
    for cluster, rows in enumerate(filtered.rows):
        there = rows < len(bank)
        squared = (queries.double() - filtered.mean - filtered.means[cluster]).square().sum(1)
        found = filtered.place(cluster, placed, squared)
        short = torch.cdist(found.short[:, :-1].double(), filtered.short[cluster][there, :-1].double())
        true = torch.cdist(queries.double(), bank[rows[there]].double())
        assert (short <= true + found.error[:, None]).all()
