"""Good pictures scored out of sample, against a detector fitted by hand for each of them."""

import ast
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iad.decision.promises import SCHEMES
from iad.detectors.base import Composite, Detector, Prediction, State
from iad.detectors.calibrate import (
    Calibration,
    by_folds,
    calibrate,
    common_pictures,
    draw_folds,
    draw_pictures,
    of_members,
    places_of,
)
from iad.detectors.embeddings import Embeddings
from iad.detectors.options import Refitted
from iad.errors import IadError
from iad.words import counted
from tests.helpers import ROOT

RNG = np.random.default_rng(1)
GOOD, APART = RNG.normal(size=(23, 3)), RNG.normal(size=(7, 3))


class Options(Refitted):
    section: ClassVar[str] = "classical.nearest"


class Nearest(Detector[Options]):
    """Distance to the nearest good picture; what it says of itself is what a test makes it say."""

    takes = "pooled"
    has_maps = True

    def __init__(self, options=None, *, seed=0, runtime=None, **says):
        super().__init__(options or Options(), seed=seed, runtime=runtime)
        self.says, self.checked = says, []

    def unfitted(self):
        return type(self)(self.options, seed=self.seed, **self.says)

    def fit(self, good, *, calibrated_apart=False):
        self.good, self.apart = np.asarray(Embeddings.of(good).pooled), calibrated_apart
        return self

    def predict(self, pictures, *, leave_out=None):
        rows = np.asarray(Embeddings.of(pictures).pooled)
        bank = [self.good if leave_out is None else np.delete(self.good, one, axis=0)
                for one in (range(len(rows)) if leave_out is None else leave_out)]  # fmt: skip
        found = np.array([np.linalg.norm(good - row, axis=1).min() for good, row in zip(bank, rows, strict=True)])
        maps = found.astype(np.float32)[:, None, None] * np.array([[1, 2]], dtype=np.float32)
        return Prediction(found, maps if self.says.get("has_maps", True) else None)

    def state(self):
        return State({"good": self.good})

    @classmethod
    def load(cls, options, state, **given):
        return cls(options, **given).fit(state.arrays["good"])

    def check(self, good):
        self.checked.append(len(good))

    @property
    def held_out(self):
        return self.says.get("held_out")

    @property
    def leaves_one_out(self):
        return self.says.get("leaves_one_out", False)

    @property
    def only_falls(self):
        return self.says.get("only_falls", False)

    @property
    def map_only_falls(self):
        return self.says.get("map_only_falls", False)

    @property
    def most_calibrating(self):
        return self.says.get("most_calibrating", 0)

    @property
    def folds(self):
        return self.options.folds


def of(rows):
    return Embeddings(pooled=rows)


def fitted(good=GOOD, folds=5, **says):
    return Nearest(Options(folds=folds), **says).fit(good)


def nearest_to(good, rows):
    """The oracle: one fit to these pictures, by hand."""
    return np.array([np.linalg.norm(good - row, axis=1).min() for row in rows])


def others_than(row, good=GOOD):
    return np.delete(good, row, axis=0)


def check(found, scores):
    np.testing.assert_allclose(found.prediction.pred_score, scores)
    np.testing.assert_allclose(found.prediction.anomaly_map[:, 0], np.outer(scores, [1, 2]), rtol=1e-6)


def test_pictures_set_apart_are_preferred_whatever_the_detector_can_do_and_are_checked_first():
    detector = fitted(leaves_one_out=True, only_falls=True, held_out=np.array([1, 2]))
    found = calibrate(detector, of(GOOD), of(APART), seed=0)
    assert (found.scheme, found.map_scheme, found.set_apart, dict(found.record)) == ("split", "split", True, {})
    assert found.rows.tolist() == list(range(7))
    assert detector.checked == [7]
    check(found, nearest_to(GOOD, APART))


def test_no_picture_set_apart_is_as_if_nobody_had_set_any_apart():
    for apart in (None, of(APART[:0])):
        assert calibrate(fitted(leaves_one_out=True), of(GOOD), apart, seed=0).scheme == "jackknife"


def test_pictures_that_the_detector_kept_apart_itself_are_scored_by_it():
    learnt, kept = np.arange(0, 23, 2), np.arange(1, 23, 2)
    found = calibrate(fitted(GOOD[learnt], held_out=kept, leaves_one_out=True), of(GOOD), seed=0)
    assert (found.scheme, found.map_scheme, found.set_apart) == ("held_out", "held_out", False)
    assert found.rows.tolist() == kept.tolist()
    check(found, nearest_to(GOOD[learnt], GOOD[kept]))


@pytest.mark.parametrize("falls", [False, True])
@pytest.mark.parametrize("map_falls", [False, True])
def test_leaving_one_out_is_named_by_what_it_proves_of_scores_and_of_maps(falls, map_falls):
    detector = fitted(leaves_one_out=True, only_falls=falls, map_only_falls=map_falls)
    found = calibrate(detector, of(GOOD), seed=0)
    names = {True: "leave_one_out", False: "jackknife"}
    assert (found.scheme, found.map_scheme) == (names[falls], names[map_falls])
    assert found.rows.tolist() == list(range(23))
    check(found, [nearest_to(others_than(row), GOOD[[row]])[0] for row in range(23)])


def test_no_more_pictures_are_left_out_than_are_worth_it_and_the_seed_draws_them():
    detector = fitted(leaves_one_out=True, most_calibrating=6)
    found = calibrate(detector, of(GOOD), seed=4)
    np.testing.assert_array_equal(found.rows, draw_pictures(23, 6, 4))
    check(found, [nearest_to(others_than(row), GOOD[[row]])[0] for row in found.rows])
    assert found.rows.tolist() != calibrate(detector, of(GOOD), seed=5).rows.tolist()


@pytest.mark.parametrize("folds", [2, 5, 23])
def test_each_picture_is_scored_by_a_fit_to_the_other_folds(folds):
    found = calibrate(fitted(folds=folds), of(GOOD), seed=4)
    fold_of = draw_folds(23, folds, 4)
    check(found, [nearest_to(GOOD[fold_of != fold_of[row]], GOOD[[row]])[0] for row in range(23)])
    assert (found.prediction.pred_score > 0).all(), "a picture that its own fit has seen finds itself"
    assert (found.scheme, found.map_scheme, found.rows.tolist()) == ("k_fold", "k_fold", list(range(23)))
    fewest = 23 - np.bincount(fold_of).max()
    assert found.record == {"folds": folds, "calibration_fitted_to_at_least": fewest}


def test_a_fold_is_fitted_to_the_others_alone_and_told_that_it_calibrates_apart(monkeypatch):
    seen, scored, told = [], [], set()
    fit, predict = Nearest.fit, Nearest.predict

    def fitting(self, good, *, calibrated_apart=False):
        seen.append(set(np.asarray(good.pooled)[:, 0].tolist()))
        told.add(calibrated_apart)
        return fit(self, good)

    def predicting(self, pictures, *, leave_out=None):
        scored.append(set(np.asarray(pictures.pooled)[:, 0].tolist()))
        return predict(self, pictures)

    detector = fitted(folds=3)
    monkeypatch.setattr(Nearest, "fit", fitting)
    monkeypatch.setattr(Nearest, "predict", predicting)
    by_folds(detector, of(np.repeat(np.arange(11.0)[:, None], 3, axis=1)), seed=0)
    assert all(held | others == set(range(11)) and not held & others for held, others in zip(scored, seen, strict=True))
    assert sorted(len(held) for held in scored) == [3, 4, 4]
    assert told == {True}
    assert len(detector.good) == 23, "the detector itself stays as it was fitted"


def test_a_detector_without_maps_has_none_in_any_fold():
    assert calibrate(fitted(has_maps=False), of(GOOD), seed=0).prediction.anomaly_map is None


@pytest.mark.parametrize(("pictures", "fewer"), [(4, "set it to 4, or "), (1, "")])
def test_more_folds_than_pictures_are_refused_and_every_remedy_helps(pictures, fewer):
    with pytest.raises(IadError) as refused:
        calibrate(fitted(), of(GOOD[:pictures]), seed=0)
    assert str(refused.value) == (
        f"classical.nearest.folds = 5: only {counted(pictures, 'good picture')} to divide; "
        f"{fewer}add good pictures: it takes 5 at least"
    )
    calibrate(fitted(), of(GOOD[:5]), seed=0)
    if fewer:
        calibrate(fitted(folds=4), of(GOOD[:4]), seed=0)


class Sum(Composite[Options]):
    """The sum of what its members say, each less the least that it said of calibrating pictures."""

    def __init__(self, members, *, seed=0):
        super().__init__(Options(), seed=seed)
        self.members, self.calibration = members, None

    def fit(self, good, *, calibrated_apart=False):
        for name, member in self.members.items():
            member.fit(good.members[name], calibrated_apart=calibrated_apart)
        self.calibration = None if calibrated_apart else calibrate(self, good, seed=self.seed)
        return self

    def align(self, calibration):
        self.least = {name: said.pred_score.min() for name, said in calibration.items()}
        return self

    def combine(self, predictions):
        return Prediction(sum(said.pred_score - self.least[name] for name, said in predictions.items()))

    def predict(self, pictures, **_):
        return self.combine({name: one.predict(pictures.members[name]) for name, one in self.members.items()})

    def state(self):
        raise NotImplementedError

    load = state


def both(rows):
    return Embeddings(members={"one": of(rows), "two": of(rows[:, :2])})


def test_a_composite_is_calibrated_by_the_pictures_that_all_members_share_and_proves_nothing():
    one = {"leaves_one_out": True, "only_falls": True, "map_only_falls": True}
    two = one | {"most_calibrating": 15}
    composite = Sum({"one": Nearest(**one), "two": Nearest(**two)}).fit(both(GOOD))
    found = calibrate(composite, both(GOOD), seed=0)
    assert (found.scheme, found.map_scheme, found.set_apart) == ("jackknife", "jackknife", False)
    np.testing.assert_array_equal(found.rows, draw_pictures(23, 15, 0))
    alone = [nearest_to(others_than(row), GOOD[[row]])[0] for row in range(23)]
    narrow = [nearest_to(others_than(row)[:, :2], GOOD[[row], :2])[0] for row in range(23)]
    expected = np.array(alone) - min(alone) + np.array(narrow) - min(np.array(narrow)[found.rows])
    np.testing.assert_allclose(found.prediction.pred_score, expected[found.rows])
    assert found is composite.calibration, "nothing is scored twice"
    again = calibrate(composite, both(GOOD), seed=3)
    assert again.rows.tolist() == draw_pictures(23, 15, 3).tolist()


def test_pictures_set_apart_set_the_scales_of_a_composite():
    apart = RNG.normal(size=(12, 3))
    composite = Sum({"one": Nearest(), "two": Nearest()}).fit(both(GOOD), calibrated_apart=True)
    found = calibrate(composite, both(GOOD), both(apart), seed=0)
    assert (found.scheme, found.set_apart, found.rows.tolist()) == ("jackknife", True, list(range(12)))
    wide, narrow = nearest_to(GOOD, apart), nearest_to(GOOD[:, :2], apart[:, :2])
    np.testing.assert_allclose(found.prediction.pred_score, wide - wide.min() + narrow - narrow.min())


def test_fused_scores_of_members_are_of_a_scheme_that_proves_nothing():
    found = of_members(np.arange(3), Prediction(np.zeros(3)))
    assert not SCHEMES[found.scheme].proven
    assert not SCHEMES[found.map_scheme].proven


@given(st.integers(2, 60), st.integers(2, 10), st.integers(0, 2**32 - 1))
def test_folds_are_even_and_drawn_by_the_seed(n, folds, seed):
    drawn = draw_folds(n, folds, seed)
    counts = np.bincount(drawn, minlength=folds)
    assert counts.max() - counts.min() <= 1
    assert (drawn == draw_folds(n, folds, seed)).all()


def test_another_seed_draws_other_folds():
    assert (draw_folds(30, 5, 0) != draw_folds(30, 5, 1)).any()


def test_pictures_are_drawn_once_each_in_ascending_order_or_all_are_taken():
    drawn = draw_pictures(20, 5, seed=3)
    assert len(set(drawn.tolist())) == 5
    assert drawn.tolist() == sorted(drawn.tolist())
    assert set(drawn.tolist()) <= set(range(20))
    for most in (0, 20, 21):
        assert draw_pictures(20, most, seed=3).tolist() == list(range(20))


def ids(*numbers):
    return np.array([f"{number:02}.png" for number in numbers], dtype=object)


def test_the_pictures_of_all_members_stand_in_the_order_of_the_first():
    shared = common_pictures({"a": ids(*range(30, 10, -1)), "b": ids(*range(25)), "c": ids(*range(14, 30))})
    assert shared.tolist() == ids(*range(24, 13, -1)).tolist()
    assert places_of(ids(3, 1, 2), ids(2, 3), "x").tolist() == [2, 0]
    numbers = common_pictures({"a": np.arange(30), "b": np.arange(12, 50)})
    assert (numbers.dtype, numbers.tolist()) == (np.int64, list(range(12, 30)))


def test_too_few_common_pictures_are_refused_with_what_to_do():
    assert len(common_pictures({"ae": ids(*range(10)), "vit": ids(*range(20))})) == 10
    with pytest.raises(IadError, match=r"only 9 good pictures .* \(ae: 9, vit: 20\).* takes 10; add good training pic"):
        common_pictures({"ae": ids(*range(9)), "vit": ids(*range(20))})


def test_a_picture_that_another_member_lacks_is_refused_by_name():
    with pytest.raises(IadError, match=r"^scores of vit: no picture '07\.png'.* run `dvc repro`"):
        places_of(ids(1, 2), ids(1, 7), "scores of vit")


def test_every_scheme_that_calibration_names_has_a_promise():
    schemes = Calibration.__annotations__["scheme"]
    assert schemes == "Scheme"
    tree = ast.parse((ROOT / "iad/detectors/calibrate.py").read_text(encoding="utf-8"))
    named = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in SCHEMES}
    assert named == set(SCHEMES)


def test_no_other_room_than_the_decisions_own_names_a_scheme():
    """`split` is a column of the manifest too, and `held_out` a section of params.yaml, so they tell nothing."""
    telling = set(SCHEMES) - {"split", "held_out"}
    assert telling == {"leave_one_out", "jackknife", "k_fold"}
    for file in (ROOT / "iad").rglob("*.py"):
        place = file.relative_to(ROOT).as_posix()
        if place == "iad/detectors/calibrate.py" or place.startswith("iad/decision/"):
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        named = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)} & telling
        assert not named, f"{place} names {named}; what a detector says of itself is what calibrate needs"
