"""Approximate neighbours, PCA before kNN, and the refusal where FAISS is missing. The oracle is the exact search."""

import sys

import numpy as np
import pytest

from iad.detectors.base import State
from iad.detectors.knn import Options
from iad.detectors.knn.approximate import build_index, load_index
from iad.detectors.knn.detector import Detector
from iad.errors import IadError

INDEXES = ["hnsw", "ivfpq"]


def fit(bank, **options):
    return Detector(Options(**{"k": 3} | options)).fit(bank)


def scores(bank, queries, **options):
    return fit(bank, **options).predict(queries).pred_score


def left_out(bank, **options):
    return fit(bank, **options).predict(bank, leave_out=np.arange(len(bank))).pred_score


def clusters(n, d=24, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(8, d)) * 5
    return (centres[rng.integers(8, size=n)] + rng.normal(size=(n, d))).astype(np.float32)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("standardize", [False, True])
def test_all_components_leave_the_scores_as_they_are(metric, standardize):
    bank, new = clusters(60, 6), clusters(20, 6, seed=1)
    space = {"metric": metric, "standardize": standardize}
    np.testing.assert_allclose(scores(bank, new, pca=6, **space), scores(bank, new, **space), rtol=1e-5)
    np.testing.assert_allclose(left_out(bank, pca=6, **space), left_out(bank, **space), rtol=1e-5)
    assert (scores(bank, bank, pca=6, k=1, **space) == 0).all(), "a picture finds itself exactly"


def test_fewer_components_measure_in_the_subspace_of_the_bank_alone():
    bank, new = clusters(60, 6), clusters(20, 6, seed=1)
    centred = bank.astype(np.float64) - bank.mean(axis=0, dtype=np.float64)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    found = scores(bank, new, pca=2)
    np.testing.assert_allclose(found, scores(bank @ axes.T, new @ axes.T), rtol=1e-5)
    assert (found <= scores(bank, new) * (1 + 1e-6)).all()
    assert fit(bank, pca=2).record()["components"] == 2


@pytest.mark.parametrize("size", [1, 2, 3, 17])
def test_where_a_picture_lies_in_the_subspace_does_not_follow_its_company(size):
    bank, new = clusters(60, 40), clusters(33, 40, seed=1)
    detector = fit(bank, pca=0.9)
    np.testing.assert_array_equal(detector.predict(new[:size]).pred_score, detector.predict(new).pred_score[:size])


def test_an_unknown_index_is_refused():
    for ask in (lambda: build_index("hnws", clusters(10)), lambda: load_index("hnws", np.empty(0), 10)):
        with pytest.raises(IadError, match=r"unknown method.index 'hnws'; did you mean 'hnsw'"):
            ask()


def test_a_missing_faiss_is_refused_in_one_line_that_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)  # as if it were not installed
    with pytest.raises(IadError, match=r"^method.index = ivfpq: needs FAISS; install the extra iad\[faiss\] .*$"):
        fit(clusters(10), index="ivfpq")


@pytest.fixture
def faiss():
    return pytest.importorskip("faiss", reason="FAISS, the extra iad[faiss], is not installed")


@pytest.mark.usefixtures("faiss")
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_hnsw_gives_the_exact_distances_on_a_small_bank(metric):
    # not the squared ones that FAISS returns
    bank, new = clusters(300), clusters(40, seed=1)
    found = scores(bank, new, metric=metric, index="hnsw")
    np.testing.assert_allclose(found, scores(bank, new, metric=metric), rtol=2e-3)


@pytest.mark.usefixtures("faiss")
@pytest.mark.parametrize("n", [12, 300, 2000])
def test_ivfpq_stays_close_on_banks_of_any_size(n):
    bank, new = clusters(n, 21), clusters(40, 21, seed=1)  # 21 features fill no whole number of bytes
    exact = scores(bank, new)
    assert np.median(np.abs(scores(bank, new, index="ivfpq") - exact) / exact) < 0.3


@pytest.mark.usefixtures("faiss")
@pytest.mark.parametrize("index", INDEXES)
def test_leaving_one_out_drops_the_own_row_and_no_other(index):
    bank, k = clusters(300), 4
    all_of_them, _ = build_index(index, bank).nearest_squared(bank.astype(np.float64), k + 1, None)
    found = fit(bank, index=index).neighbors.nearest(bank, k=k, leave_out=np.arange(300))
    squared, rows = np.square(found.distances), found.rows
    if index == "hnsw":
        assert (all_of_them[:, 0] == 0).all(), "without leaving out, each picture finds itself"
        np.testing.assert_allclose(squared, all_of_them[:, 1:], rtol=1e-12)
    # one entry of each row is gone, the others are in order
    whole = np.sqrt(all_of_them)
    assert all(np.isin(kept, one).all() for kept, one in zip(found.distances, whole, strict=True))
    assert (np.diff(squared, axis=1) >= 0).all()
    assert squared.shape == rows.shape == (300, k)
    assert (rows != np.arange(300)[:, None]).all()
    if index == "hnsw":  # the rows are those of the distances
        np.testing.assert_allclose(((bank[:, None] - bank[rows]) ** 2).sum(axis=2), squared, rtol=1e-3)


@pytest.mark.usefixtures("faiss")
@pytest.mark.parametrize("index", INDEXES)
def test_two_builds_give_the_same_bytes(index):
    bank = clusters(500)
    first, again = (fit(bank, index=index).state().arrays["index"] for _ in range(2))
    assert first.tobytes() == again.tobytes()


@pytest.mark.usefixtures("faiss")
@pytest.mark.parametrize("index", INDEXES)
def test_a_loaded_index_finds_the_same(index):
    bank, new = clusters(500), clusters(40, seed=1)
    fitted = fit(bank, index=index)
    again = Detector.load(fitted.options, fitted.state())
    np.testing.assert_array_equal(again.predict(new).pred_score, fitted.predict(new).pred_score)


@pytest.mark.usefixtures("faiss")
@pytest.mark.parametrize("index", INDEXES)
def test_bytes_that_are_no_index_are_refused_in_one_line(index):
    fitted = fit(clusters(100), index=index)
    state = fitted.state()
    broken = State({**state.arrays, "index": state.arrays["index"][:40]}, state.values)
    with pytest.raises(IadError, match=rf"^method\.index = {index}: not an index of FAISS .*; fit it again$") as refused:
        Detector.load(fitted.options, broken)
    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("faiss")
@pytest.mark.parametrize("index", INDEXES)
def test_as_many_neighbours_as_the_bank_holds_are_found(index):
    bank, all_of_them = clusters(200), {"k": 200, "aggregate": "kth"}
    exact = scores(bank, bank[:5], **all_of_them)
    np.testing.assert_allclose(scores(bank, bank[:5], index=index, **all_of_them), exact, rtol=0.3)
