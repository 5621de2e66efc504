"""Each detector of pooled embeddings that is fitted anew per fold, against its formula or a hand-sized case."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

from iad.detectors import detector_class, detector_names, options_of
from iad.detectors.options import Refitted, Scaled
from iad.errors import IadError

REFITTED = [name for name in detector_names() if issubclass(options_of(name), Refitted)]
SCALED = [name for name in REFITTED if issubclass(options_of(name), Scaled)]
OPTIONS = {
    "gmm": {"components": 2, "covariance": "diag", "pca": 0, "regularization": 1e-6},
    "isolation_forest": {"trees": 50},
    "kmeans": {"clusters": 3},
    "lof": {"n_neighbors": 5},
    "ocsvm": {"nu": 0.1, "gamma": 1.0},
    "pca": {"components": 0.9},
    "zscore": {"aggregate": "mean"},
}


def normal(n=60, d=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)) * np.geomspace(1, 0.1, d)


def fit(name, train, *, seed=0, **options):
    return detector_class(name)(options_of(name)(**OPTIONS.get(name, {}) | options), seed=seed).fit(train)


def scores(name, train, rows, **options):
    return fit(name, train, **options).score_samples(rows)


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


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_gmm_is_the_density_that_scikit_learn_fits(covariance):
    train, new = normal(200), normal(9, seed=1)
    theirs = GaussianMixture(3, covariance_type=covariance, n_init=3, random_state=7).fit(train)
    ours = scores("gmm", train, new, components=3, covariance=covariance, seed=7)
    np.testing.assert_allclose(ours, -theirs.score_samples(new), rtol=1e-8)


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


def test_ocsvm_is_the_decision_of_scikit_learn_with_weights_that_sum_to_1():
    train, new = normal(80), normal(9, seed=1)
    theirs = OneClassSVM(nu=0.2, gamma="scale").fit(train)
    ours = scores("ocsvm", train, new, nu=0.2)
    np.testing.assert_allclose(ours, -theirs.decision_function(new) / theirs.dual_coef_.sum(), rtol=1e-6, atol=1e-9)


def test_isolation_forest_is_that_of_scikit_learn_although_only_its_cuts_are_kept():
    train, new = normal(300), normal(50, seed=1)
    theirs = IsolationForest(n_estimators=50, max_samples=256, random_state=3).fit(train)
    np.testing.assert_allclose(scores("isolation_forest", train, new, seed=3), -theirs.score_samples(new), rtol=1e-12)


def test_lof_is_the_factor_of_scikit_learn():
    train, new = normal(80), normal(9, seed=1)
    theirs = LocalOutlierFactor(n_neighbors=5, novelty=True).fit(train)
    np.testing.assert_allclose(scores("lof", train, new), -theirs.score_samples(new), rtol=1e-9)


def test_isolation_forest_scores_lie_between_0_and_1_and_grow_outwards():
    found = scores("isolation_forest", normal(300, 2), np.array([[0.0, 0.0], [2.0, 0.2], [9.0, 3.0]]))
    assert 0 < found[0] < 0.5 < found[2] <= 1
    assert (np.diff(found) > 0).all()


def test_lof_of_an_even_row_follows_from_its_definition():
    # good pictures 0, 1, 2, 3 and one neighbour: every reachability distance is 1, so every density is 1
    row = np.arange(4.0)[:, None]
    # a new picture at 6: reachability max(1, 3) = 3, density 1/3, and so a factor of 3
    np.testing.assert_allclose(scores("lof", row, np.array([[6.0], [1.4]]), n_neighbors=1), [3, 1])


@pytest.mark.parametrize("name", REFITTED)
@pytest.mark.parametrize("standardize", [False, True])
def test_far_pictures_score_higher_the_same_each_time_and_in_float64(name, standardize):
    train, near = normal(80).astype(np.float32), normal(20, seed=1).astype(np.float32)
    far = near + np.float32(10)
    options = {"standardize": standardize} if name in SCALED else {}
    found = [scores(name, train, np.concatenate([near, far]), **options) for _ in range(2)]
    assert found[0].dtype == np.float64
    assert found[0].tobytes() == found[1].tobytes()
    assert found[0][20:].min() > found[0][:20].max()


@pytest.mark.parametrize("name", SCALED)
def test_standardising_makes_the_unit_of_a_feature_irrelevant(name):
    train, new, unit = normal(), normal(9, seed=1), [1000, 1, 1, 0.01, 1]
    plain = scores(name, train, new, standardize=True)
    np.testing.assert_allclose(scores(name, train * unit, new * unit, standardize=True), plain, rtol=1e-4, atol=1e-6)


def test_the_seed_decides_what_is_drawn():
    train, new = normal(), normal(9, seed=1)
    found = [scores("isolation_forest", train, new, seed=seed) for seed in (0, 1)]
    assert (found[0] != found[1]).any()


@pytest.mark.parametrize("name", REFITTED)
def test_no_pictures_give_no_scores_and_the_record_counts_those_fitted_to(name):
    detector = fit(name, normal())
    assert detector.score_samples(np.empty((0, 5))).shape == (0,)
    assert detector.record() == {"fitted_to": 60}


@pytest.mark.parametrize(
    ("name", "options", "what", "fewer", "needed"),
    [
        ("kmeans", {"clusters": 61}, "only 60 different good pictures to cluster", 60, None),
        ("gmm", {"components": 31}, "60 good pictures are too few, two for each Gaussian is the least", 30, 62),
        ("gmm", {"pca": 60}, "60 good pictures with 5 features give 5 principal components", 5, None),
        ("lof", {"n_neighbors": 60}, "each good picture has only 59 others", 59, 61),
        ("pca", {"components": 6}, "60 good pictures with 5 features give 5 principal components", 5, None),
    ],
)
def test_too_few_pictures_are_refused_by_the_name_of_the_parameter_and_every_remedy_helps(
    name, options, what, fewer, needed
):
    ((key, value),) = options.items()
    with pytest.raises(IadError) as refused:
        fit(name, normal(), **options)
    assert str(refused.value).startswith(f"classical.{name}.{key} = {value}: {what}; set it to {fewer} or less")
    fit(name, normal(), **{key: fewer})
    if needed:
        assert str(refused.value).endswith(f", or add good pictures: it takes {needed} at least")
        fit(name, normal(needed), **options)


def test_a_covariance_that_the_pictures_do_not_determine_is_refused_and_every_remedy_helps():
    with pytest.raises(IadError, match=r"^classical\.gmm\.covariance = full: 20 good pictures do not .* 30 f") as no:
        fit("gmm", normal(20, 30), covariance="full")
    remedies = (
        "set it to diag, or classical.gmm.pca to 19 components or less, or add good pictures: it takes 31 at least"
    )
    assert str(no.value).endswith(f"; {remedies}")
    fit("gmm", normal(20, 30), covariance="diag")
    fit("gmm", normal(20, 30), covariance="full", pca=19)
    fit("gmm", normal(31, 30), covariance="full")


@pytest.mark.parametrize("name", REFITTED)
def test_what_no_detector_can_be_fitted_to_is_refused(name):
    with pytest.raises(IadError, match=rf"^classical\.{name}: 1 good picture to fit to; add .*: it takes 2 at least"):
        fit(name, normal(1))
    with pytest.raises(
        IadError, match=rf"^classical\.{name}: the embedding of picture 3 is not finite; run `dvc repro"
    ):
        fit(name, np.where(np.arange(20)[:, None] == 3, np.nan, normal(20)))
    with pytest.raises(IadError, match=rf"^classical\.{name}: embeddings of 4 features, but the good pictures had 5"):
        scores(name, normal(), normal()[:, :4])


def test_pictures_that_are_all_the_same_have_no_covariance():
    with pytest.raises(IadError, match=r"mahalanobis: all good pictures have the same features; add others$"):
        fit("mahalanobis", np.ones((5, 2)))
