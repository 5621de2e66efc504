"""Approximate neighbours, PCA before kNN, and the refusal where FAISS is missing. The oracle is the exact search."""

import sys

import numpy as np
import pytest

from iad.detectors.knn.approximate import build_index
from iad.detectors.knn.search import Neighbors, knn_scores, leave_one_out_scores
from iad.errors import IadError

PLAIN = {"metric": "euclidean", "standardize": False}
QUERY = {"k": 3, "aggregate": "mean"}


def clusters(n, d=24, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(8, d)) * 5
    return (centres[rng.integers(8, size=n)] + rng.normal(size=(n, d))).astype(np.float32)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("standardize", [False, True])
def test_all_components_leave_the_scores_as_they_are(metric, standardize):
    bank, new = clusters(60, 6), clusters(20, 6, seed=1)
    projected = Neighbors(bank, metric=metric, standardize=standardize, pca=6)
    space = {"metric": metric, "standardize": standardize}
    np.testing.assert_allclose(projected.scores(new, **QUERY), knn_scores(bank, new, **QUERY, **space), rtol=1e-5)
    left_out = projected.leave_one_out(bank, **QUERY)
    np.testing.assert_allclose(left_out, leave_one_out_scores(bank, **QUERY, **space), rtol=1e-5)
    assert (projected.scores(bank, k=1, aggregate="mean") == 0).all(), "a picture finds itself exactly"


def test_fewer_components_measure_in_the_subspace_of_the_bank_alone():
    bank, new = clusters(60, 6), clusters(20, 6, seed=1)
    neighbors = Neighbors(bank, **PLAIN, pca=2)
    centred = bank.astype(np.float64) - bank.mean(axis=0, dtype=np.float64)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    by_hand = knn_scores(bank @ axes.T, new @ axes.T, **QUERY, **PLAIN)
    np.testing.assert_allclose(neighbors.scores(new, **QUERY), by_hand, rtol=1e-5)
    assert (neighbors.scores(new, **QUERY) <= knn_scores(bank, new, **QUERY, **PLAIN) * (1 + 1e-6)).all()
    assert neighbors.reduced()["components"] == 2


def test_an_unknown_index_is_refused():
    with pytest.raises(IadError, match=r"unknown method.index 'hnws'; did you mean 'hnsw'"):
        build_index("hnws", clusters(10))


def test_a_missing_faiss_is_refused_in_one_line_that_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)  # as if it were not installed
    with pytest.raises(IadError, match=r"^method.index = ivfpq: needs FAISS; install the extra iad\[faiss\] .*$"):
        Neighbors(clusters(10), **PLAIN, index="ivfpq")


@pytest.fixture
def faiss():
    return pytest.importorskip("faiss", reason="FAISS, the extra iad[faiss], is not installed")


@pytest.mark.usefixtures("faiss")
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_hnsw_gives_the_exact_distances_on_a_small_bank(metric):
    # not the squared ones that FAISS returns
    bank, new = clusters(300), clusters(40, seed=1)
    space = {"metric": metric, "standardize": False}
    found = Neighbors(bank, **space, index="hnsw").scores(new, **QUERY)
    np.testing.assert_allclose(found, knn_scores(bank, new, **QUERY, **space), rtol=2e-3)


@pytest.mark.usefixtures("faiss")
@pytest.mark.parametrize("n", [12, 300, 2000])
def test_ivfpq_stays_close_on_banks_of_any_size(n):
    bank, new = clusters(n, 21), clusters(40, 21, seed=1)  # 21 features fill no whole number of bytes
    found = Neighbors(bank, **PLAIN, index="ivfpq").scores(new, **QUERY)
    exact = knn_scores(bank, new, **QUERY, **PLAIN)
    assert np.median(np.abs(found - exact) / exact) < 0.3


@pytest.mark.usefixtures("faiss")
@pytest.mark.parametrize("index", ["hnsw", "ivfpq"])
def test_leaving_one_out_drops_the_own_row_and_no_other(index):
    bank = clusters(300)
    neighbors = Neighbors(bank, **PLAIN, index=index)
    k = 4
    all_of_them, _ = build_index(index, bank).nearest_squared(bank.astype(np.float64), k + 1, None)
    left_out, rows = neighbors._search(bank.astype(np.float64), k, np.arange(300))
    if index == "hnsw":
        assert (all_of_them[:, 0] == 0).all(), "without leaving out, each picture finds itself"
        np.testing.assert_array_equal(left_out, all_of_them[:, 1:])
    # one entry of each row is gone, the others are in order
    assert all(set(kept) <= set(whole) for kept, whole in zip(left_out, all_of_them, strict=True))
    assert (np.diff(left_out, axis=1) >= 0).all()
    assert left_out.shape == rows.shape == (300, k)
    assert (rows != np.arange(300)[:, None]).all()
    if index == "hnsw":  # the rows are those of the distances
        np.testing.assert_allclose(((bank[:, None] - bank[rows]) ** 2).sum(axis=2), left_out, rtol=1e-3)


@pytest.mark.usefixtures("faiss")
@pytest.mark.parametrize("index", ["hnsw", "ivfpq"])
def test_two_builds_give_the_same_bytes(index):
    bank, new = clusters(500), clusters(40, seed=1)
    found = [Neighbors(bank, **PLAIN, index=index).scores(new, **QUERY).tobytes() for _ in range(2)]
    assert found[0] == found[1]


@pytest.mark.usefixtures("faiss")
@pytest.mark.parametrize("index", ["hnsw", "ivfpq"])
def test_as_many_neighbours_as_the_bank_holds_are_found(index):
    bank = clusters(200)
    exact = knn_scores(bank, bank[:5], k=200, aggregate="kth", **PLAIN)
    found = Neighbors(bank, **PLAIN, index=index).scores(bank[:5], k=200, aggregate="kth")
    np.testing.assert_allclose(found, exact, rtol=0.3)
