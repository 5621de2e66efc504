"""K-fold scores against one brute-force fit per picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iad.detectors.folds import draw_folds, k_fold_scores
from iad.errors import IadError


def oracle(fit, features, fold_of):
    """Refit for every single picture, on the pictures of the other folds, one by one."""
    scores = []
    for row, feature in enumerate(features):
        others = [other for j, other in enumerate(features) if fold_of[j] != fold_of[row]]
        scores.append(fit(np.array(others))(feature[None])[0])
    return np.array(scores)


def nearest(train):
    return lambda rows: np.array([np.linalg.norm(train - row, axis=1).min() for row in rows])


@pytest.mark.parametrize("folds", [2, 5, 23])
def test_each_picture_is_scored_by_a_fit_to_the_other_folds(folds):
    features = np.random.default_rng(1).normal(size=(23, 3))
    ours = k_fold_scores(nearest, features, folds=folds, seed=4, name="folds")
    np.testing.assert_allclose(ours, oracle(nearest, features, draw_folds(23, folds, 4)))
    assert (ours > 0).all(), "a picture that its own fit has seen would find itself at distance 0"


def test_every_fit_sees_exactly_the_pictures_that_it_does_not_score():
    seen, scored = [], []

    def fit(train):
        seen.append(set(train[:, 0].tolist()))

        def score(rows):
            scored.append(set(rows[:, 0].tolist()))
            return rows[:, 0]

        return score

    features = np.arange(11.0)[:, None]
    assert k_fold_scores(fit, features, folds=3, seed=0, name="folds").tolist() == features[:, 0].tolist()
    assert all(held | others == set(range(11)) and not held & others for held, others in zip(scored, seen, strict=True))
    assert sorted(len(held) for held in scored) == [3, 4, 4]


@given(st.integers(2, 60), st.integers(2, 10), st.integers(0, 2**32 - 1))
def test_folds_are_even_and_drawn_by_the_seed(n, folds, seed):
    drawn = draw_folds(n, folds, seed)
    counts = np.bincount(drawn, minlength=folds)
    assert counts.max() - counts.min() <= 1
    assert (drawn == draw_folds(n, folds, seed)).all()


def test_another_seed_draws_other_folds():
    assert (draw_folds(30, 5, 0) != draw_folds(30, 5, 1)).any()


def test_more_folds_than_pictures_are_refused():
    with pytest.raises(
        IadError, match=r"^classical.lof.folds = 5: only 4 good pictures to divide; set it to 4 or less"
    ):
        k_fold_scores(nearest, np.zeros((4, 1)), folds=5, seed=0, name="classical.lof.folds")
