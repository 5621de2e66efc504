"""Exact nearest neighbours against a double loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iad.detectors.knn import Options
from iad.detectors.knn import search as knn
from iad.detectors.knn.detector import Detector
from iad.detectors.knn.search import Neighbors
from iad.errors import IadError
from iad.neighbors import brute
from iad.neighbors.exact import ExactSearch
from tests.detectors.oracles import knn_scores as oracle
from tests.detectors.oracles import leave_one_out_scores


def random(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def scores(bank, queries, **options):
    return Detector(Options(**options)).fit(bank).predict(queries).pred_score


def left_out(bank, **options):
    """Scores of the good pictures themselves, each as if it were not there."""
    return Detector(Options(**options)).fit(bank).predict(bank, leave_out=np.arange(len(bank))).pred_score


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("aggregate", ["mean", "kth"])
@pytest.mark.parametrize("k", [1, 5])
def test_scores_equal_the_double_loop(metric, aggregate, k):
    bank, queries = random((40, 7)), random((23, 7), seed=1)
    options = {"k": k, "metric": metric, "aggregate": aggregate}
    np.testing.assert_allclose(scores(bank, queries, **options), oracle(bank, queries, **options), rtol=1e-10)
    np.testing.assert_allclose(left_out(bank, **options), leave_one_out_scores(bank, **options), rtol=1e-10)


def test_blocks_do_not_change_the_scores(monkeypatch):
    bank, queries = random((50, 5)), random((30, 5), seed=1)
    whole = [scores(bank, queries, k=4), left_out(bank, k=4)]
    monkeypatch.setattr(knn, "QUERY_ROWS", 7)
    monkeypatch.setattr(brute, "QUERY_ROWS", 4)
    monkeypatch.setattr(brute, "BANK_ROWS", 3)  # fewer rows than neighbours
    blocked = [scores(bank, queries, k=4), left_out(bank, k=4)]
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
    own = np.arange(len(bank))
    for asked, leave_out in ((queries, None), (bank, own)):
        one, two = (found.nearest(asked, k=k, leave_out=leave_out) for found in (small, large))
        np.testing.assert_allclose(two.distances, one.distances, rtol=1e-12, atol=0)
        if leave_out is not None:
            assert not (two.rows == own[:, None]).any()
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
    ours = scores(bank, queries, k=3, standardize=True)
    np.testing.assert_allclose(ours, oracle((bank - mean) / std, (queries - mean) / std, k=3), rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(1.0, 1e4))
def test_a_picture_identical_to_a_good_one_scores_exactly_zero_far_from_the_origin(seed, offset):
    bank = (random((20, 6), seed) + np.float32(offset)).astype(np.float32)
    assert (scores(bank, bank, k=1) == 0).all()


def test_near_duplicates_keep_their_tiny_distance():
    # |a|^2 + |b|^2 - 2ab alone returns noise here, and sometimes the square root of a negative number
    bank = np.full((2, 3), 1e4, dtype=np.float64)
    bank[1, 0] += 1e-6
    np.testing.assert_allclose(left_out(bank, k=1), bank[1, 0] - 1e4, rtol=1e-9)


def test_the_self_match_trap_is_closed():
    # the original study scored training pictures against themselves: distance 0, threshold 0.0000, all rejected
    bank = random((30, 8))
    assert (scores(bank, bank, k=1) == 0).all()
    assert (left_out(bank, k=1) > 0).all()


@pytest.mark.parametrize(
    ("pictures", "k", "leave_out", "refusal"),
    [
        (
            5,
            6,
            False,
            r"method\.k = 6: of 5 good training pictures only 5 .*; set method\.k to 5 or less, or add .* takes 6 at",
        ),
        (
            5,
            5,
            True,
            r"method\.k = 5: of 5 .* only 4 .*; set method\.k to 4 or less, or add good training .*: it takes 6 at",
        ),
        (
            1,
            1,
            True,
            r"method\.k = 1: of 1 good training picture only 0 can be neighbours of each; add .*: it takes 3 at",
        ),
    ],
)
def test_more_neighbours_than_good_pictures_are_refused_and_either_remedy_helps(pictures, k, leave_out, refusal):
    def score(number, k):
        bank = random((number, 3))
        return left_out(bank, k=k) if leave_out else scores(bank, bank, k=k)

    with pytest.raises(IadError, match=rf"^{refusal} least$") as refused:
        score(pictures, k)
    words = str(refused.value).replace(";", "").split()
    score(int(words[-3]), k)
    if "set" in words:
        score(pictures, int(words[words.index("set") + 3]))
