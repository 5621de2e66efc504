"""Exact nearest neighbours against a double loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iad.detectors.knn import search as knn
from iad.detectors.knn.search import Neighbors, knn_scores, leave_one_out_scores
from iad.errors import IadError
from iad.neighbors.exact import ExactSearch

PLAIN = {"metric": "euclidean", "standardize": False, "aggregate": "mean"}


def distance(a, b, metric):
    a, b = a.astype(np.float64), b.astype(np.float64)
    if metric == "euclidean":
        return float(np.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True))))
    return 1 - float(a @ b) / float(np.linalg.norm(a) * np.linalg.norm(b))


def oracle(bank, queries, k, metric, aggregate, leave_out=False):
    """Score every query by a double loop."""
    scores = []
    for i, query in enumerate(queries):
        all_distances = [distance(query, row, metric) for j, row in enumerate(bank) if not (leave_out and i == j)]
        nearest = sorted(all_distances)[:k]
        scores.append(np.mean(nearest) if aggregate == "mean" else nearest[-1])
    return np.array(scores)


def random(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("aggregate", ["mean", "kth"])
@pytest.mark.parametrize("k", [1, 5])
def test_scores_equal_the_double_loop(metric, aggregate, k):
    bank, queries = random((40, 7)), random((23, 7), seed=1)
    ours = knn_scores(bank, queries, k=k, metric=metric, standardize=False, aggregate=aggregate)
    np.testing.assert_allclose(ours, oracle(bank, queries, k, metric, aggregate), rtol=1e-10)
    held = leave_one_out_scores(bank, k=k, metric=metric, standardize=False, aggregate=aggregate)
    np.testing.assert_allclose(held, oracle(bank, bank, k, metric, aggregate, leave_out=True), rtol=1e-10)


def test_blocks_do_not_change_the_scores(monkeypatch):
    bank, queries = random((50, 5)), random((30, 5), seed=1)
    whole = [knn_scores(bank, queries, k=4, **PLAIN), leave_one_out_scores(bank, k=4, **PLAIN)]
    monkeypatch.setattr(knn, "QUERY_ROWS", 7)
    monkeypatch.setattr(knn, "BANK_ROWS", 3)  # fewer rows than neighbours
    blocked = [knn_scores(bank, queries, k=4, **PLAIN), leave_one_out_scores(bank, k=4, **PLAIN)]
    np.testing.assert_allclose(blocked[0], whole[0], rtol=1e-12)
    np.testing.assert_allclose(blocked[1], whole[1], rtol=1e-12)


@pytest.mark.parametrize("pca", [0, 3])
@pytest.mark.parametrize("k", [1, 4])
def test_a_large_bank_is_searched_another_way_with_the_same_answer(monkeypatch, k, pca):
    bank, queries = random((300, 6)), random((40, 6), seed=1)
    bank[7] = bank[100] = bank[200]  # copies: none may find itself, and each finds another at distance 0
    queries[3] = bank[50]
    space = {"metric": "euclidean", "standardize": False, "pca": pca}
    small = Neighbors(bank, **space)
    monkeypatch.setattr(knn, "LARGE", 300)
    searched = []
    real = ExactSearch.search
    monkeypatch.setattr(ExactSearch, "search", lambda *args, **named: searched.append(1) or real(*args, **named))
    large = Neighbors(bank, **space)
    for asked, leave_out in ((queries, False), (bank, True)):
        one, two = (found.nearest(asked, k=k, leave_out=leave_out) for found in (small, large))
        np.testing.assert_allclose(two.distances, one.distances, rtol=1e-12, atol=0)
        if leave_out:
            assert not (two.rows == np.arange(len(bank))[:, None]).any()
            assert two.distances[7, 0] == 0
    assert searched


@pytest.mark.parametrize("options", [{"metric": "cosine"}, {"standardize": True}])
def test_features_that_are_placed_first_are_searched_in_double_precision_however_many(monkeypatch, options):
    monkeypatch.setattr(knn, "LARGE", 10)
    monkeypatch.setattr(knn, "_filtered_search", lambda _: pytest.fail("searched in float32"))
    Neighbors(random((30, 4)), **{"metric": "euclidean", "standardize": False} | options)


def test_standardising_equals_scaling_by_hand():
    bank, queries = random((30, 4)) * [1, 10, 100, 1], random((9, 4), seed=1)
    bank[:, 3] = 2.0  # a feature that never varies is left unscaled, not divided by zero
    mean, std = bank.mean(axis=0, dtype=np.float64), bank.std(axis=0, dtype=np.float64)
    std[3] = 1.0
    ours = knn_scores(bank, queries, k=3, metric="euclidean", standardize=True, aggregate="mean")
    by_hand = knn_scores((bank - mean) / std, (queries - mean) / std, k=3, **PLAIN)
    np.testing.assert_allclose(ours, by_hand, rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(1.0, 1e4))
def test_a_picture_identical_to_a_good_one_scores_exactly_zero_far_from_the_origin(seed, offset):
    bank = (random((20, 6), seed) + np.float32(offset)).astype(np.float32)
    assert (knn_scores(bank, bank, k=1, **PLAIN) == 0).all()


def test_near_duplicates_keep_their_tiny_distance():
    # |a|^2 + |b|^2 - 2ab alone returns noise here, and sometimes the square root of a negative number
    bank = np.full((2, 3), 1e4, dtype=np.float64)
    bank[1, 0] += 1e-6
    np.testing.assert_allclose(leave_one_out_scores(bank, k=1, **PLAIN), bank[1, 0] - 1e4, rtol=1e-9)


def test_the_self_match_trap_is_closed():
    # the original study scored training pictures against themselves: distance 0, threshold 0.0000, all rejected
    bank = random((30, 8))
    assert (knn_scores(bank, bank, k=1, **PLAIN) == 0).all()
    assert (leave_one_out_scores(bank, k=1, **PLAIN) > 0).all()


def test_more_neighbours_than_good_pictures_are_refused_with_the_largest_k():
    bank = random((5, 3))
    with pytest.raises(IadError, match=r"k = 6, but only 5 .* set method.k to 5"):
        knn_scores(bank, bank, k=6, **PLAIN)
    with pytest.raises(IadError, match=r"k = 5, but only 4 "):
        leave_one_out_scores(bank, k=5, **PLAIN)
