"""The subspace of patches. The oracles are a singular value decomposition, and a fit without the picture left out."""

import numpy as np
import pytest

from iad.detectors.base import State
from iad.detectors.calibrate import calibrate
from iad.detectors.embeddings import Embeddings
from iad.detectors.subspace import Options
from iad.detectors.subspace.detector import Detector
from iad.errors import IadError

RNG = np.random.default_rng(0)
SPREAD = np.array([9, 5, 3, 1, 0.5, 0.1])
GOOD = (RNG.normal(size=(15, 2, 3, 6)) * SPREAD + np.arange(6)).astype(np.float16)
NEW = (RNG.normal(size=(4, 3, 5, 6)) * SPREAD[::-1]).astype(np.float16)  # another grid
SINGLE = 1e-5  # relative, of maps in single precision


def fit(good=GOOD, **options):
    return Detector(Options(**options)).fit(good)


def by_hand(good, new, components):
    """Residuals `(M, h, w)` after projection, and how many axes that took."""
    x, y = good.reshape(-1, good.shape[3]).astype(float), new.reshape(-1, new.shape[3]).astype(float)
    mean = x.mean(axis=0)
    _, values, axes = np.linalg.svd(x - mean, full_matrices=False)
    if components < 1:
        components = 1 + int(np.argmax(np.cumsum(values**2) / (values**2).sum() >= components))
    axes = axes[:components]
    moved = y - mean
    return np.linalg.norm(moved - moved @ axes.T @ axes, axis=1).reshape(new.shape[:3]), components


@pytest.mark.parametrize("components", [1, 4, 0.5, 0.9, 0.99])
def test_a_map_holds_the_distances_to_the_subspace_of_all_good_patches(components):
    detector = fit(components=components)
    wanted, axes = by_hand(GOOD, NEW, components)
    found = detector.predict(NEW)
    assert detector.record() == {"fitted_to": 15, "components": axes}
    np.testing.assert_allclose(found.anomaly_map, wanted, rtol=SINGLE)
    np.testing.assert_allclose(found.pred_score, wanted.max(axis=(1, 2)), rtol=SINGLE)


def test_one_direction_is_left_outside_whatever_the_share():
    even = RNG.normal(size=(9, 3, 3, 4)).astype(np.float32)
    assert fit(even, components=0.999).record()["components"] == 3


@pytest.mark.parametrize("components", [2, 0.99])
def test_leaving_a_picture_out_is_fitting_without_it(components):
    found = fit(components=components).predict(GOOD, leave_out=np.arange(15))
    for number in range(15):
        without = fit(np.delete(GOOD, number, axis=0), components=components).predict(GOOD[[number]])
        np.testing.assert_allclose(without.anomaly_map[0], found.anomaly_map[number], rtol=SINGLE)


def test_an_outlier_among_good_pictures_is_found_when_it_is_left_out_and_not_before():
    good = GOOD.copy()
    good[4, ..., 5] += 50  # where the others do not vary
    detector = fit(good, components=2)
    inside, outside = detector.predict(good).pred_score, detector.predict(good, leave_out=np.arange(15)).pred_score
    assert outside.argmax() == 4
    assert outside[4] > 2 * inside[4]


def test_the_other_pictures_calibrate_each_one_and_nothing_is_proven():
    found = calibrate(fit(calibration=7), Embeddings(patches=GOOD), seed=0)
    assert (found.scheme, found.map_scheme, len(found.rows)) == ("jackknife", "jackknife", 7)


def test_joined_sums_are_those_of_a_fit_to_all():
    whole = fit()
    grown = fit(GOOD[:9]).add(Embeddings(patches=GOOD[9:]))
    merged = fit(GOOD[:4]).merge([fit(GOOD[4:9]), fit(GOOD[9:])])
    for other in (grown, merged):
        assert other.record() == whole.record()
        np.testing.assert_allclose(other.moments.second, whole.moments.second, rtol=1e-12)
        np.testing.assert_allclose(other.predict(NEW).anomaly_map, whole.predict(NEW).anomaly_map, rtol=SINGLE)


@pytest.mark.parametrize(
    ("good", "options", "said"),
    [
        (GOOD[:0], {}, r"^subspace: no good picture to fit to; .* it takes 1 at least$"),
        (np.ones((3, 2, 2, 5), np.float32), {}, r"^subspace: all good patches are the same; add others"),
        (GOOD, {"components": 6}, r"^subspace.components = 6: 90 good patches of 6 features .*; set it to 5 or less$"),
        (GOOD[:1, :1], {"components": 4}, r"3 good patches .*; set it to 2 or less, or add good pictures: it takes 2 "),
        (GOOD[..., :1], {}, r"90 good patches of 1 feature leave nothing outside; choose other layers$"),
    ],
)
def test_what_leaves_nothing_outside_is_refused(good, options, said):
    with pytest.raises(IadError, match=said):
        fit(good, **options)


def test_other_features_are_refused():
    with pytest.raises(IadError, match=r"^subspace: patches of 5 features, but those of the good pictures have 6; "):
        fit().predict(NEW[..., :5])
    with pytest.raises(IadError, match=r"^subspace: patches of 5 features"):
        fit().merge([fit(GOOD[..., :5])])


def test_a_single_picture_is_enough_but_cannot_be_left_out():
    detector = fit(GOOD[:1], components=2)
    assert np.isfinite(detector.predict(NEW).pred_score).all()
    with pytest.raises(IadError, match=r"^subspace: 1 good picture, which is left out; .* it takes 2 at least$"):
        detector.predict(GOOD[:1], leave_out=np.array([0]))


def test_a_person_is_told_of_copies_that_do_not_count():
    copied = Embeddings(patches=GOOD, augmented=GOOD[:, None])
    assert (fit().remarks(), fit(copied).remarks()) == ([], ["subspace: rotated and flipped copies do not count"])


def test_the_forecast_counts_the_axes_of_each_picture_left_out():
    few, many = (Detector(Options(calibration=n)).outlook(Embeddings(patches=GOOD), 10) for n in (3, 0))
    assert (few.what, many.what) == ("3 subspaces of 6 features", "15 subspaces of 6 features")
    assert many.products > few.products


def test_a_state_of_nothing_is_none():
    state = fit().state()
    with pytest.raises(ValueError, match="0 rows"):
        Detector.load(Options(), State(state.arrays, {**state.values, "rows": 0}))
