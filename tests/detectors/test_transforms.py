"""Scaling against NumPy's mean and deviation, principal components against scikit-learn's, products against BLAS."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from iad.detectors import transforms
from iad.detectors.transforms import blocks, fit_projection, fit_scaling, no_scaling, products, projection_of
from iad.errors import IadError
from iad.words import counted


def features(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) * np.geomspace(1, 0.01, d) + rng.normal(size=d)).astype(np.float32)


@pytest.mark.parametrize(("n", "d"), [(60, 8), (9, 20)])
@pytest.mark.parametrize("components", [1, 3, 0.5, 0.9, 0.999])
def test_residuals_and_shares_equal_those_of_scikit_learn(n, d, components, monkeypatch):
    monkeypatch.setattr(transforms, "BLOCK_ROWS", 7)
    train, new = features(n, d), features(5, d, seed=1)
    theirs = PCA(components, svd_solver="full").fit(train.astype(np.float64))
    ours = fit_projection(train, components, name="pca")
    assert len(ours.axes) == theirs.n_components_
    assert ours.explained == pytest.approx(theirs.explained_variance_ratio_.sum())
    back = theirs.inverse_transform(theirs.transform(new.astype(np.float64)))
    np.testing.assert_allclose(ours.residual(new), np.linalg.norm(new - back, axis=1), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(np.abs(ours.project(new)), np.abs(theirs.transform(new.astype(np.float64))), rtol=1e-6)


def test_all_components_keep_every_distance():
    train = features(30, 6)
    projected = fit_projection(train, 6, name="pca").project(train)
    wanted = np.linalg.norm(train[:, None].astype(np.float64) - train[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(projected[:, None] - projected[None], axis=2), wanted, atol=1e-9)


@pytest.mark.parametrize(
    ("n", "d", "components", "directions", "needed"), [(5, 9, 5, 4, 6), (9, 5, 6, 5, None), (1, 9, 0.9, 0, 2)]
)
def test_more_components_than_there_are_directions_are_refused_and_every_remedy_helps(
    n, d, components, directions, needed
):
    fewer = [f"set it to {directions} or less"] if directions else []
    more = [f"add good pictures: it takes {needed} at least"] if needed else []
    with pytest.raises(IadError) as refused:
        fit_projection(features(n, d), components, name="method.pca")
    assert str(refused.value) == (
        f"method.pca = {components:g}: {counted(n, 'good picture')} with {counted(d, 'feature')} "
        f"give {counted(directions, 'principal component')}; "
        f"{', or '.join(fewer + more)}"
    )
    if fewer:
        fit_projection(features(n, d), directions, name="method.pca")
    if more:
        fit_projection(features(needed, d), components, name="method.pca")


@pytest.mark.parametrize("kept", [2, 0.8])
def test_a_projection_made_again_from_its_state_is_the_same_to_the_bit(kept):
    train, new = features(40, 9), features(7, 9, seed=1)
    first = fit_projection(train, kept, name="pca", place=np.tanh)
    again = projection_of(first.state(), place=np.tanh)
    np.testing.assert_array_equal(again.project(new), first.project(new))
    np.testing.assert_array_equal(again.residual(new), first.residual(new))
    assert again.explained == first.explained


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 17, 33, 65])
def test_products_are_those_of_blas_but_follow_no_company(size):
    rng = np.random.default_rng(0)
    rows, matrix = rng.normal(size=(65, 384)), rng.normal(size=(90, 384))
    whole, chosen = products(rows, matrix), rng.permutation(65)[:size]
    np.testing.assert_allclose(whole, rows @ matrix.T, rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(products(rows[chosen], matrix), whole[chosen])
    np.testing.assert_array_equal(products(np.asfortranarray(rows), np.asfortranarray(matrix)), whole)


def test_pictures_that_are_all_the_same_have_nothing_outside_one_component():
    projection = fit_projection(np.ones((4, 3)), 0.9, name="pca")
    assert (len(projection.axes), projection.explained) == (1, 1.0)
    assert projection.residual(np.ones((2, 3))).tolist() == [0, 0]


def test_features_are_scaled_by_mean_and_deviation_whatever_the_blocks(monkeypatch):
    features = np.random.default_rng(0).normal(3, [1, 10, 100], (50, 3)).astype(np.float32)
    wanted = (features - features.mean(axis=0, dtype=np.float64)) / features.std(axis=0, dtype=np.float64)
    np.testing.assert_allclose(fit_scaling(features).apply(features), wanted, rtol=1e-9)
    monkeypatch.setattr(transforms, "BLOCK_ROWS", 7)
    np.testing.assert_allclose(fit_scaling(features).apply(features), wanted, rtol=1e-9)


def test_a_feature_that_never_varies_is_not_divided_by_the_rounding_of_its_mean():
    # the mean of 30 times float32(0.1) is off by one rounding: a deviation of 1e-17 would blow differences up to 1e16
    features = np.full((30, 1), 0.1, dtype=np.float32)
    features_of_a_new_part = np.full((1, 1), 0.6, dtype=np.float32)
    assert fit_scaling(features).deviation.tolist() == [1.0]
    np.testing.assert_allclose(fit_scaling(features).apply(features_of_a_new_part), 0.5, rtol=1e-6)


def test_a_small_but_true_variance_counts():
    features = np.array([[1.0], [1.0 + 1e-9]])
    np.testing.assert_allclose(np.abs(fit_scaling(features).apply(features)), 1, rtol=1e-5)


def test_without_scaling_features_stay_as_they_are_in_double_precision():
    rows = features(4, 3)
    found = no_scaling(3).apply(rows)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, rows)


def test_blocks_are_all_rows_once_in_their_order(monkeypatch):
    monkeypatch.setattr(transforms, "BLOCK_ROWS", 4)
    rows = features(10, 2)
    parts = list(blocks(rows))
    assert [len(part) for part in parts] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(parts), rows)
