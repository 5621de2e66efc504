"""PaDiM. The oracles are scikit-learn's covariances, inverted place by place, and a fit without what is left out."""

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from iad.detectors.base import State
from iad.detectors.calibrate import calibrate
from iad.detectors.embeddings import Embeddings
from iad.detectors.padim import Options
from iad.detectors.padim.detector import Detector
from iad.detectors.padim.gaussians import Gaussians
from iad.detectors.padim.moments import Moments
from iad.errors import IadError

RNG = np.random.default_rng(0)
SPREAD = np.array([1, 2, 3, 1, 0.1, 5])
GOOD = (RNG.normal(size=(25, 2, 3, 6)) * SPREAD + np.arange(6)).astype(np.float16)
NEW = (RNG.normal(size=(4, 2, 3, 6)) * SPREAD * 2).astype(np.float16)
SINGLE = 2e-6  # relative, of maps in single precision
EPSILON = 0.03


def fit(good=GOOD, seed=1, **options):
    return Detector(Options(**{"epsilon": EPSILON, **options}), seed=seed).fit(good)


def by_hand(good, new, chosen, shrinkage):
    """Distances `(M, P)`, each place for itself."""
    x, y = (some.reshape(len(some), -1, some.shape[3])[:, :, chosen].astype(float) for some in (good, new))
    floor = EPSILON * x.var(axis=0).mean() * np.eye(len(chosen))
    found = np.empty(y.shape[:2])
    for place in range(x.shape[1]):
        here = x[:, place]
        covariance = ledoit_wolf(here)[0] if shrinkage == "ledoit_wolf" else np.cov(here.T)
        moved = y[:, place] - here.mean(axis=0)
        found[:, place] = np.sqrt(np.einsum("nd,de,ne->n", moved, np.linalg.inv(covariance + floor), moved))
    return found


both = pytest.mark.parametrize("shrinkage", ["ledoit_wolf", "none"])


@both
@pytest.mark.parametrize("features", [3, 6, 100])
def test_a_map_holds_the_mahalanobis_distances_to_the_gaussian_of_each_place(shrinkage, features):
    detector = fit(shrinkage=shrinkage, features=features)
    assert len(detector.chosen) == min(features, 6)
    wanted = by_hand(GOOD, NEW, detector.chosen, shrinkage)
    found = detector.predict(NEW)
    np.testing.assert_allclose(found.anomaly_map.reshape(4, -1), wanted, rtol=SINGLE)
    np.testing.assert_allclose(found.pred_score, wanted.max(axis=1), rtol=SINGLE)  # 1.1 % of six places is one


@both
@pytest.mark.parametrize("pictures", [3, 5, 25])  # 3 and 5 are fewer than features
def test_leaving_a_picture_out_is_fitting_without_it(shrinkage, pictures):
    good = GOOD[:pictures]
    found = fit(good, shrinkage=shrinkage).predict(good, leave_out=np.arange(pictures))
    for number in range(pictures):
        without = fit(np.delete(good, number, axis=0), shrinkage=shrinkage)
        np.testing.assert_allclose(without.predict(good[[number]]).anomaly_map[0], found.anomaly_map[number], rtol=1e-5)


def test_the_other_pictures_calibrate_each_one_and_nothing_is_proven():
    found = calibrate(fit(calibration=7), Embeddings(patches=GOOD), seed=0)
    assert (found.scheme, found.map_scheme, len(found.rows)) == ("jackknife", "jackknife", 7)


def test_pictures_far_from_zero_lose_little():
    far = (GOOD + np.float16(60)).astype(np.float32)  # float32, since float16 would round
    near = far - 60
    one, two = (fit(some).predict(some[:5]).anomaly_map for some in (far, near))
    np.testing.assert_allclose(one, two, rtol=SINGLE)


def test_joined_sums_are_those_of_a_fit_to_all():
    whole = fit()
    grown = fit(GOOD[:9]).add(Embeddings(patches=GOOD[9:]))
    merged = fit(GOOD[:4]).merge([fit(GOOD[4:9]), fit(GOOD[9:])])
    for other in (grown, merged):
        assert other.moments.count == 25
        for name, array in whole.moments.arrays().items():
            np.testing.assert_allclose(other.moments.arrays()[name], array, rtol=1e-12, atol=1e-9, err_msg=name)
        np.testing.assert_allclose(other.predict(NEW).anomaly_map, whole.predict(NEW).anomaly_map, rtol=SINGLE)


def test_the_seed_draws_the_features_and_others_do_not_join():
    one, other = fit(features=3, seed=0), fit(features=3, seed=1)
    assert one.chosen.tolist() != other.chosen.tolist()
    with pytest.raises(IadError, match=r"^padim: patches of 2 x 3 places and 6 features do not join .*seed"):
        one.merge([other])


def test_a_place_that_never_varies_among_good_pictures_is_no_place_to_divide_by_zero_at():
    good = GOOD.copy()
    good[:, 0, 0] = 3
    detector = fit(good)
    new = good[:2].copy()
    new[1, 0, 0, 0] += 1
    found = detector.predict(new).anomaly_map[:, 0, 0]
    assert np.isfinite(found).all()
    assert found[0] < 1e-3 < 1 < found[1]
    left_out = detector.predict(good, leave_out=np.arange(25)).anomaly_map
    assert np.isfinite(left_out).all()


def test_maps_follow_rectangular_grids_and_another_grid_is_refused():
    assert fit().predict(NEW).anomaly_map.shape == (4, 2, 3)
    with pytest.raises(IadError, match=r"^padim: patches of 3 x 2 places and 6 features, but those of .* 2 x 3 places"):
        fit().predict(NEW.reshape(4, 3, 2, 6))


@pytest.mark.parametrize(
    ("good", "said"),
    [
        (GOOD[:1], r"^padim: 1 good picture to fit to; add good pictures: it takes 2 at least"),
        (GOOD[[0, 0, 0]], r"^padim: all good pictures have the same patches; add others"),
    ],
)
def test_what_gives_no_gaussian_is_refused(good, said):
    with pytest.raises(IadError, match=said):
        fit(good)


def test_of_two_pictures_none_can_be_left_out():
    with pytest.raises(IadError, match=r"^padim: 2 good pictures, of which one is left out; .* it takes 3 at least$"):
        fit(GOOD[:2]).predict(GOOD[:2], leave_out=np.arange(2))


def test_a_person_is_told_of_few_pictures_and_of_copies_that_do_not_count():
    assert fit().remarks() == []
    assert "6 good pictures for covariances of 6 features" in fit(GOOD[:6]).remarks()[0]
    copied = Embeddings(patches=GOOD, augmented=GOOD[:, None])
    assert "copies do not count" in fit(copied).remarks()[0]
    np.testing.assert_array_equal(fit(copied).predict(NEW).anomaly_map, fit().predict(NEW).anomaly_map)


def test_the_forecast_grows_with_the_square_of_the_features():
    small, large = (Detector(Options(features=d)).outlook(Embeddings(patches=GOOD), 10) for d in (3, 6))
    assert large.gib == 4 * small.gib
    assert large.products > 4 * small.products
    assert small.what == "6 covariances of 3 x 3 features (padim.features)"


def test_fourth_powers_about_the_mean_follow_from_those_about_zero():
    x = RNG.normal(size=(7, 1, 3)) + 4
    found = Gaussians(Moments.of(x), shrinks=True, epsilon=1)
    moved = x[:, 0] - x[:, 0].mean(axis=0)
    length = (moved**2).sum(axis=1)
    np.testing.assert_allclose(found._fourth, (length**2).sum(), rtol=1e-9)
    np.testing.assert_allclose(found._third[0], length @ moved, rtol=1e-9)


def test_a_state_of_nothing_is_none():
    state = fit().state()
    with pytest.raises(ValueError, match="0 pictures"):
        Detector.load(Options(), State(state.arrays, {**state.values, "pictures": 0}))
