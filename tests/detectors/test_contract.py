"""What every detector promises, held for each folder in `iad/detectors`: a new one is tested without a line here."""

import inspect
import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest

from iad.bundles.fitted import Fitted, unpack
from iad.bundles.sealed import read_sealed, write_sealed
from iad.decision.promises import SCHEMES
from iad.detectors import detector_class, detector_names, options_of
from iad.detectors.autoencoder import Training
from iad.detectors.base import Composite, Detector, Extendable
from iad.detectors.calibrate import calibrate
from iad.detectors.embeddings import Embeddings
from iad.errors import IadError
from tests.helpers import ROOT

NAMES = detector_names()
FITTED_TO, OTHERS = 40, 13
MEMBERS = ("knn", "patch")
OPTIONS = {"hybrid": {"members": MEMBERS}}  # what cannot be left out
FURTHER = {"autoencoder": {"training": Training(width=4, latent_channels=4, epochs=2, batch_size=4)}}  # seconds, not 30
SUMS = ("padim", "subspace")  # keep sums, so that leaving out and joining are exact but for the order of summation
PROVING = {"patch": {"subtract_median": 0, "map_above": 0}}  # options with which leaving one out proves something


def pooled(rng, n):
    centres = np.random.default_rng(9).normal(size=(3, 12)) * 3
    return (centres[rng.integers(3, size=n)] + rng.normal(size=(n, 12))).astype(np.float32)


def patches(rng, n):
    return (rng.normal(size=(n, 3, 4, 6)) + np.arange(6)).astype(np.float16)


def pixels(rng, n):
    return (rng.integers(60, 120, (n, 32, 32, 3)) + np.arange(32)[:, None]).astype(np.uint8)


def pictures(takes, n, seed=0):
    """n pictures as a detector takes them; with pooled embeddings come what patches add to them."""
    rng = np.random.default_rng(seed)
    names = [f"{seed}/{number:02}.png" for number in range(n)]
    if takes == "members":
        members = {name: pictures(detector_class(name).takes, n, seed) for name in MEMBERS}
        return Embeddings(members=members, names=names)
    return Embeddings(**{takes: {"pooled": pooled, "patches": patches, "pixels": pixels}[takes](rng, n)}, names=names)


def odd(takes, n):
    """The same far away from anything good."""
    given = pictures(takes, n, seed=5)
    if takes == "members":
        return Embeddings(members={name: odd(detector_class(name).takes, n) for name in MEMBERS})
    part = getattr(given, takes)
    far = 255 - part if takes == "pixels" else part + 40 * np.sign(part)
    return Embeddings(**{takes: far.astype(part.dtype)})


def unfitted(name, **options):
    chosen = options_of(name)(**OPTIONS.get(name, {}) | options)
    further = dict(FURTHER.get(name, {}))
    if name == "hybrid":
        further["members"] = {member: unfitted(member) for member in MEMBERS}
    return detector_class(name)(chosen, seed=3, **further)


@cache
def fitted(name):
    detector = unfitted(name)
    return detector.fit(good_of(name)), detector


@cache
def good_of(name):
    return pictures(detector_class(name).takes, FITTED_TO)


@cache
def others_of(name):
    return pictures(detector_class(name).takes, OTHERS, seed=1)


@cache
def said(name):
    return fitted(name)[0].predict(others_of(name))


def assert_same(one, two, why=""):
    np.testing.assert_array_equal(one.pred_score, two.pred_score, err_msg=why)
    assert (one.anomaly_map is None) == (two.anomaly_map is None)
    if one.anomaly_map is not None:
        np.testing.assert_array_equal(one.anomaly_map, two.anomaly_map, err_msg=why)


def assert_alike(name, one, two):
    """The same to the bit, or but for rounding where a detector sums up in another order."""
    if name not in SUMS:
        assert_same(one, two)
        return
    np.testing.assert_allclose(one.pred_score, two.pred_score, rtol=1e-6)  # maps are single precision
    np.testing.assert_allclose(one.anomaly_map, two.anomaly_map, rtol=1e-6)


def one_line(refusal):
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def those(wanted):
    return pytest.mark.parametrize("name", [name for name in NAMES if wanted(detector_class(name))])


every = pytest.mark.parametrize("name", NAMES)
extendable = those(lambda made: issubclass(made, Extendable))


@every
def test_fitting_returns_the_detector_itself(name):
    returned, detector = fitted(name)
    assert returned is detector
    assert detector.name == name


@every
def test_scores_are_double_and_maps_single_precision_one_per_picture(name):
    found = said(name)
    assert (found.pred_score.dtype, found.pred_score.shape) == (np.float64, (OTHERS,))
    assert np.isfinite(found.pred_score).all()
    if found.anomaly_map is not None:
        assert (found.anomaly_map.dtype, found.anomaly_map.ndim, len(found.anomaly_map)) == (np.float32, 3, OTHERS)
        assert np.isfinite(found.anomaly_map).all()


@every
def test_what_is_far_from_all_good_pictures_scores_above_every_good_one(name):
    assert fitted(name)[0].predict(odd(detector_class(name).takes, 4)).pred_score.min() > said(name).pred_score.max()


@every
def test_no_pictures_have_no_scores(name):
    assert len(fitted(name)[0].predict(others_of(name).take(np.arange(0)))) == 0


@every
def test_a_state_holds_plain_values_and_arrays_without_objects(name):
    state = fitted(name)[0].state()
    assert json.loads(json.dumps(state.values, allow_nan=False)) == state.values
    assert all(isinstance(array, np.ndarray) and array.dtype.kind in "biuf" for array in state.arrays.values())
    assert not any("/" in key for key in state.arrays), "keys of members are told apart by it"


def packed(name):
    detector = fitted(name)[0]
    members = tuple(
        Fitted(member, member, "", one) for member, one in detector.members.items()
    ) if isinstance(detector, Composite) else ()  # fmt: skip
    return Fitted("some method", name, "", detector, members).pack()


@every
def test_a_detector_loaded_from_its_state_predicts_the_same_to_the_bit(name):
    detector = fitted(name)[0]
    members = {"members": detector.members} if isinstance(detector, Composite) else {}
    again = type(detector).load(detector.options, detector.state(), seed=3, **members)
    assert_same(again.predict(others_of(name)), said(name))
    assert again.record() == detector.record()
    for claim in ("held_out", "leaves_one_out", "only_falls", "map_only_falls", "most_calibrating", "folds"):
        np.testing.assert_array_equal(getattr(again, claim), getattr(detector, claim), err_msg=claim)


@every
def test_a_detector_from_a_sealed_file_predicts_the_same_to_the_bit(name, tmp_path):
    write_sealed(tmp_path / "file", *packed(name))
    values, arrays, _ = read_sealed(tmp_path / "file", what="fitted detector", remedy="fit it again")
    again = unpack(values, arrays)
    assert (again.method, again.kind) == ("some method", name)
    assert_same(again.detector.predict(others_of(name)), said(name))


@every
def test_fitting_twice_gives_the_same_state_and_leaves_what_was_given_as_it_was(name):
    before, again = pictures(detector_class(name).takes, FITTED_TO), unfitted(name).fit(good_of(name))
    one, two = fitted(name)[0].state(), again.state()
    assert one.values == two.values
    assert one.arrays.keys() == two.arrays.keys()
    for key, array in one.arrays.items():
        np.testing.assert_array_equal(array, two.arrays[key], err_msg=key)
    assert_same_embeddings(good_of(name), before)


def assert_same_embeddings(one, two):
    for part in ("pixels", "pooled", "patches"):
        if getattr(two, part) is not None:
            np.testing.assert_array_equal(getattr(one, part), getattr(two, part))
    for member, embeddings in two.members.items():
        assert_same_embeddings(one.members[member], embeddings)


@every
def test_a_detector_that_is_fitted_again_has_forgotten_what_it_knew(name):
    other = unfitted(name).fit(pictures(detector_class(name).takes, FITTED_TO, seed=8))
    assert_same(other.fit(good_of(name)).predict(others_of(name)), said(name))


@every
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, OTHERS])
def test_order_and_company_of_a_picture_change_nothing(name, size):
    rows = np.random.default_rng(size).permutation(OTHERS)[:size]
    assert_same(fitted(name)[0].predict(others_of(name).take(rows)), said(name).take(rows), f"{size} pictures")


@those(lambda made: "batch_size" in inspect.signature(made).parameters)
@pytest.mark.parametrize("size", [1, 4, 5, 64])
def test_the_size_of_a_batch_changes_nothing(name, size):
    detector = unfitted(name).fit(good_of(name))
    detector.batch_size = size
    assert_same(detector.predict(others_of(name)), said(name))


@every
def test_four_threads_that_predict_at_once_find_the_same(name):
    detector, asked = fitted(name)[0], others_of(name)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: detector.predict(asked), range(8)):
            assert_same(found, said(name))


def broken(given, picture):
    """The same with a value that is not finite in one picture."""
    if given.members:
        first, *_ = given.members
        return Embeddings(members={**given.members, first: broken(given.members[first], picture)})
    part = "pooled" if given.pooled is not None else "patches"
    values = np.array(getattr(given, part))
    values[picture].flat[2] = np.nan
    return Embeddings(**{part: values}, names=given.names)


@those(lambda made: made.takes != "pixels")  # which are whole numbers
def test_a_value_that_is_not_finite_is_refused_by_the_name_of_its_picture(name):
    with pytest.raises(IadError) as fitting:
        unfitted(name).fit(broken(good_of(name), 7))
    with pytest.raises(IadError) as predicting:
        fitted(name)[0].predict(broken(others_of(name), 2))
    assert "0/07.png" in one_line(fitting)
    assert "not finite" in str(fitting.value)
    assert "1/02.png" in one_line(predicting)


@every
def test_what_a_detector_does_not_take_is_refused_in_one_line(name):
    with pytest.raises(IadError, match="given"):
        unfitted(name).fit(Embeddings(names=["a.png"]))


@every
def test_a_picture_is_left_out_as_if_it_had_never_been_fitted_to_or_that_is_refused(name):
    detector = unfitted(name, **PROVING.get(name, {})).fit(good_of(name))
    rows = np.array([0, 11, FITTED_TO - 1])
    if not detector.leaves_one_out:
        with pytest.raises(IadError, match=rf"^{name}: cannot leave a picture out"):
            detector.predict(good_of(name).take(rows), leave_out=rows)
        return
    assert detector.only_falls or name in SUMS, "else this shows nothing: name options that prove something in PROVING"
    found = detector.predict(good_of(name).take(rows), leave_out=rows)
    for place, row in enumerate(rows):
        without = detector.unfitted().fit(good_of(name).take(np.delete(np.arange(FITTED_TO), row)))
        assert_alike(name, without.predict(good_of(name).take(rows[[place]])), found.take(np.array([place])))


@every
def test_a_picture_that_joins_raises_no_score_where_that_is_claimed(name):
    whole = unfitted(name, **PROVING.get(name, {})).fit(good_of(name))
    fewer = whole.unfitted().fit(good_of(name).take(np.arange(FITTED_TO - 6)))
    before, after = (detector.predict(others_of(name)) for detector in (fewer, whole))
    if whole.only_falls:
        assert (after.pred_score <= before.pred_score).all()
        assert (after.pred_score < before.pred_score).any(), "else this shows nothing"
    if whole.map_only_falls:
        assert (after.anomaly_map <= before.anomaly_map).all()


@every
def test_good_pictures_are_scored_out_of_sample_by_a_scheme_that_has_a_promise(name):
    found = calibrate(fitted(name)[0], good_of(name), seed=0)
    assert {found.scheme, found.map_scheme} <= SCHEMES.keys()
    assert len(found.prediction) == len(set(found.rows.tolist())) == len(found.rows) > 0
    assert found.rows.max() < FITTED_TO
    apart = calibrate(unfitted(name).fit(good_of(name), calibrated_apart=True), good_of(name), others_of(name), seed=0)
    assert (apart.set_apart, apart.rows.tolist()) == (True, list(range(OTHERS)))


@extendable
def test_good_pictures_that_come_later_count_as_if_they_had_been_there_from_the_start(name):
    whole, half = unfitted(name).fit(good_of(name)), unfitted(name).fit(good_of(name).take(np.arange(9)))
    other = unfitted(name).fit(good_of(name).take(np.arange(9, FITTED_TO)))
    later = half.add(good_of(name).take(np.arange(9, FITTED_TO)))
    for grown in (later, half.merge([other]), half.merge([]).merge([other])):
        assert grown is not half
        assert_alike(name, grown.predict(others_of(name)), whole.predict(others_of(name)))
        left_out = (one.predict(good_of(name), leave_out=np.arange(FITTED_TO)) for one in (grown, whole))
        assert_alike(name, *left_out)
    assert_same(
        half.predict(others_of(name)), unfitted(name).fit(good_of(name).take(np.arange(9))).predict(others_of(name))
    )


@extendable
def test_good_pictures_that_go_count_as_if_they_had_never_been_there(name):
    keep = np.arange(FITTED_TO) % 3 > 0
    if name in SUMS:
        with pytest.raises(IadError, match=rf"^{name}: keeps sums") as refused:
            fitted(name)[0].drop(keep)
        one_line(refused)
        return
    fewer = fitted(name)[0].drop(keep)
    expected = unfitted(name).fit(good_of(name).take(keep))
    assert_same(fewer.predict(others_of(name)), expected.predict(others_of(name)))
    own = good_of(name).take(keep)
    assert_same(*(one.predict(own, leave_out=np.arange(keep.sum())) for one in (fewer, expected)))
    with pytest.raises(IadError) as refused:
        fitted(name)[0].drop(np.zeros(FITTED_TO, dtype=bool))
    one_line(refused)


@extendable
def test_what_is_kept_of_good_pictures_can_be_asked_about(name):
    rows, detector = np.array([20, 3]), fitted(name)[0]
    recalled = detector.recall(rows)
    if name in SUMS:
        assert recalled is None
        return
    assert_same(detector.predict(recalled, leave_out=rows), detector.predict(good_of(name).take(rows), leave_out=rows))


@those(lambda made: made.resume is Detector.resume)
def test_nothing_trained_before_is_taken_by_a_detector_that_trains_nothing_apart(name):
    detector = unfitted(name)
    with pytest.raises(IadError, match=rf"^{name}: takes nothing that was trained before"):
        detector.resume(fitted(name)[0].state())


@every
def test_its_page_says_what_it_is_where_it_comes_from_and_when_to_use_it(name):
    page = (ROOT / "iad/detectors" / name / "README.md").read_text(encoding="utf-8")
    assert page.startswith("# ")
    for heading in ("## When to use it", "## When it fails", "## Measured", "## What it keeps"):
        assert f"\n{heading}\n" in page, heading
    assert "](../../../docs/" in page, "the page of the docs that says more"
    assert any(f"{year}" in page for year in range(1925, 2027)), "the paper"
    assert name == "autoencoder" or options_of(name).section.removesuffix(".*") in page, "where its options stand"
