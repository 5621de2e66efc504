"""Principal components against scikit-learn's."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from iad.detectors import scaling
from iad.detectors.projection import fit_projection
from iad.errors import IadError


def features(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) * np.geomspace(1, 0.01, d) + rng.normal(size=d)).astype(np.float32)


@pytest.mark.parametrize(("n", "d"), [(60, 8), (9, 20)])
@pytest.mark.parametrize("components", [1, 3, 0.5, 0.9, 0.999])
def test_residuals_and_shares_equal_those_of_scikit_learn(n, d, components, monkeypatch):
    monkeypatch.setattr(scaling, "BLOCK_ROWS", 7)
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


def test_more_components_than_there_are_directions_are_refused():
    assert len(fit_projection(features(5, 9), 4, name="pca").axes) == 4
    with pytest.raises(IadError, match=r"^method.pca = 5: 5 good pictures with 9 features have 4 principal components"):
        fit_projection(features(5, 9), 5, name="method.pca")
    with pytest.raises(IadError, match=r"^method.pca = 0.9: 1 good pictures"):
        fit_projection(features(1, 9), 0.9, name="method.pca")


def test_pictures_that_are_all_the_same_have_nothing_outside_one_component():
    projection = fit_projection(np.ones((4, 3)), 0.9, name="pca")
    assert (len(projection.axes), projection.explained) == (1, 1.0)
    assert projection.residual(np.ones((2, 3))).tolist() == [0, 0]
