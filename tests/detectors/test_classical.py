"""Each classical detector against its formula or a hand-sized case."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf

from iad.detectors.classical import DETECTORS, fit_detector
from iad.errors import IadError

OPTIONS = {
    "gmm": {"components": 2, "covariance": "diag", "pca": 0, "regularization": 1e-6},
    "isolation_forest": {"trees": 50},
    "kmeans": {"clusters": 3},
    "lof": {"n_neighbors": 5},
    "mahalanobis": {},
    "ocsvm": {"nu": 0.1, "gamma": 1.0},
    "pca": {"components": 0.9},
    "zscore": {"aggregate": "mean"},
}


def normal(n=60, d=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)) * np.geomspace(1, 0.1, d)


def scores(name, train, rows, *, standardize=False, seed=0, **options):
    return fit_detector(name, train, standardize=standardize, seed=seed, options=OPTIONS[name] | options)(rows)


@pytest.mark.parametrize("aggregate", ["mean", "max"])
def test_zscore_counts_deviations_feature_by_feature(aggregate):
    train, new = normal(), normal(9, seed=1)
    z = np.array(
        [[abs(x - column.mean()) / column.std() for x, column in zip(row, train.T, strict=True)] for row in new]
    )
    np.testing.assert_allclose(scores("zscore", train, new, aggregate=aggregate), getattr(z, aggregate)(axis=1))


def test_pca_is_the_distance_to_the_line_of_good_pictures():
    line = np.outer(np.arange(10.0), [3, 4])
    np.testing.assert_allclose(scores("pca", line, np.array([[6.0, 8.0], [-4.0, 3.0]])), [0, 5], atol=1e-12)


def test_kmeans_is_the_distance_to_the_nearest_centre():
    train = np.array([[0.0, 0], [0, 2], [10, 0], [10, 2], [50, 0], [50, 2]])  # centres (0, 1), (10, 1), (50, 1)
    np.testing.assert_allclose(scores("kmeans", train, np.array([[3.0, 5], [50, 4]])), [5, 3])


def test_gmm_of_one_full_gaussian_is_its_negative_log_density():
    train, new = normal(), normal(9, seed=1)
    ours = scores("gmm", train, new, components=1, covariance="full", regularization=0)
    theirs = multivariate_normal(train.mean(axis=0), np.cov(train.T, bias=True))
    np.testing.assert_allclose(ours, -theirs.logpdf(new), rtol=1e-9)


def test_gmm_on_principal_components_ignores_what_they_leave_out():
    train = normal()
    train[:, 4] *= 1e-3
    moved = train[:3].copy()
    moved[:, 4] += 0.01
    kept = scores("gmm", train, train[:3], pca=4)
    np.testing.assert_allclose(scores("gmm", train, moved, pca=4), kept, atol=1e-2)
    assert (scores("gmm", train, moved) > scores("gmm", train, train[:3]) + 1).all()


@pytest.mark.parametrize("n", [60, 12])
def test_mahalanobis_uses_the_shrunk_covariance_even_with_more_features_than_pictures(n):
    train, new = normal(n, 20), normal(9, 20, seed=1)
    inverse = np.linalg.inv(LedoitWolf().fit(train).covariance_)
    wanted = [np.sqrt((row - train.mean(axis=0)) @ inverse @ (row - train.mean(axis=0))) for row in new]
    np.testing.assert_allclose(scores("mahalanobis", train, new), wanted, rtol=1e-8)


def test_ocsvm_keeps_about_the_share_nu_outside_and_its_scale_whatever_the_number_of_pictures():
    train, new = normal(200, 2), normal(9, 2, seed=1)
    outside = (scores("ocsvm", train, train, nu=0.2) > 0).mean()
    assert 0.15 <= outside <= 0.21
    # every picture three times is the same problem: scikit-learn's own values would be three times as large
    thrice = scores("ocsvm", np.tile(train, (3, 1)), new, nu=0.2)
    np.testing.assert_allclose(thrice, scores("ocsvm", train, new, nu=0.2), atol=1e-3)


def test_isolation_forest_scores_lie_between_0_and_1_and_grow_outwards():
    found = scores("isolation_forest", normal(300, 2), np.array([[0.0, 0.0], [2.0, 0.2], [9.0, 3.0]]))
    assert 0 < found[0] < 0.5 < found[2] <= 1
    assert (np.diff(found) > 0).all()


def test_lof_of_an_even_row_follows_from_its_definition():
    # good pictures 0, 1, 2, 3 and one neighbour: every reachability distance is 1, so every density is 1
    row = np.arange(4.0)[:, None]
    # a new picture at 6: reachability max(1, 3) = 3, density 1/3, and so a factor of 3
    np.testing.assert_allclose(scores("lof", row, np.array([[6.0], [1.4]]), n_neighbors=1), [3, 1])


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("standardize", [False, True])
def test_far_pictures_score_higher_the_same_each_time_and_in_float64(name, standardize):
    train, near = normal(80).astype(np.float32), normal(20, seed=1).astype(np.float32)
    far = near + np.float32(10)
    found = [scores(name, train, np.concatenate([near, far]), standardize=standardize) for _ in range(2)]
    assert found[0].dtype == np.float64
    assert found[0].tobytes() == found[1].tobytes()
    assert found[0][20:].min() > found[0][:20].max()


@pytest.mark.parametrize("name", sorted(set(DETECTORS) - {"zscore"}))
def test_standardising_makes_the_unit_of_a_feature_irrelevant(name):
    train, new, unit = normal(), normal(9, seed=1), [1000, 1, 1, 0.01, 1]
    plain = scores(name, train, new, standardize=True)
    np.testing.assert_allclose(scores(name, train * unit, new * unit, standardize=True), plain, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["isolation_forest"])
def test_the_seed_decides_what_is_drawn(name):
    train, new = normal(), normal(9, seed=1)
    assert (scores(name, train, new, seed=0) != scores(name, train, new, seed=1)).any()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("kmeans", {"clusters": 61}, "classical.kmeans.clusters = 61: only 60 different good pictures .* set it to 60"),
        (
            "gmm",
            {"components": 31},
            "classical.gmm.components = 31: 60 good pictures are too few.* set it to 30 or less",
        ),
        ("gmm", {"pca": 60}, "classical.gmm.pca = 60: 60 good pictures with 5 features have 5 principal components"),
        ("lof", {"n_neighbors": 60}, "classical.lof.n_neighbors = 60: each of 60 good pictures has only 59 others"),
        ("pca", {"components": 6}, "classical.pca.components = 6: 60 good pictures with 5 features have 5"),
    ],
)
def test_too_few_pictures_are_refused_by_the_name_of_the_parameter(name, options, message):
    with pytest.raises(IadError, match=message):
        scores(name, normal(), normal(2), **options)


def test_a_covariance_that_the_pictures_do_not_determine_is_refused():
    with pytest.raises(IadError, match=r"classical.gmm.covariance = full: 20 good pictures do not .* 30 features"):
        scores("gmm", normal(20, 30), normal(2, 30), covariance="full")
    scores("gmm", normal(20, 30), normal(2, 30), covariance="full", pca=3)


def test_what_no_detector_can_be_fitted_to_is_refused():
    with pytest.raises(IadError, match="unknown classical detector 'loff'; did you mean 'lof'"):
        fit_detector("loff", normal(), standardize=False, seed=0, options={})
    with pytest.raises(IadError, match=r"classical.zscore: 1 good picture"):
        scores("zscore", normal(1), normal(1))
    with pytest.raises(IadError, match=r"classical.lof: features that are not finite"):
        scores("lof", np.full((20, 2), np.nan), normal(1, 2))
    with pytest.raises(IadError, match=r"classical.mahalanobis: all good pictures have the same features"):
        scores("mahalanobis", np.ones((5, 2)), normal(1, 2))
