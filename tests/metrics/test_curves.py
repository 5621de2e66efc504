"""Oracles: scikit-learn's curves, and the areas below ours, which must be AUROC and average precision."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from iad.decision.thresholds import is_anomalous
from iad.metrics import curves
from iad.metrics.confusion import confusion
from iad.metrics.curves import precision_recall_curve, roc_curve
from iad.metrics.image import auroc, average_precision, both_classes

PICTURES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12)), min_size=2, max_size=60)
BOTH = PICTURES.map(lambda rows: (np.array([r[0] for r in rows]), np.array([r[1] for r in rows], dtype=float))).filter(
    lambda pictures: both_classes(pictures[0])
)


def points(curve):
    return {(round(x, 12), round(y, 12)) for x, y in zip(curve.x.tolist(), curve.y.tolist(), strict=True)}


def step_area(curve):
    return float((np.diff(curve.x, prepend=0) * curve.y).sum())


def many_pictures(n=20_000):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, n)
    return labels, generator.normal(size=n) + labels


@given(BOTH)
def test_the_roc_curve_holds_points_of_scikit_learn_and_encloses_auroc(pictures):
    curve = roc_curve(*pictures)
    x, y, _ = reference.roc_curve(*pictures, drop_intermediate=False)
    assert points(curve) <= {(round(a, 12), round(b, 12)) for a, b in zip(x.tolist(), y.tolist(), strict=True)}
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(auroc(*pictures), abs=1e-12)


@given(BOTH)
def test_the_precision_recall_curve_holds_points_of_scikit_learn_and_steps_around_average_precision(pictures):
    curve = precision_recall_curve(*pictures)
    precision, recall, _ = reference.precision_recall_curve(*pictures)
    expected = {(round(x, 12), round(y, 12)) for x, y in zip(recall.tolist(), precision.tolist(), strict=True)}
    assert points(curve) <= expected
    assert curve.x[-1] == 1
    assert step_area(curve) == pytest.approx(average_precision(*pictures), abs=1e-12)


@given(BOTH)
def test_each_point_is_what_the_deployed_predicate_reaches_at_its_finite_threshold(pictures):
    labels, scores = pictures
    for threshold, x, y in zip(*vars(roc_curve(labels, scores)).values(), strict=True):
        counted = confusion(labels, is_anomalous(scores, threshold))
        assert np.isfinite(threshold)
        assert (counted.false_alarm_rate, counted.recall) == (x, y)
    for threshold, x, y in zip(*vars(precision_recall_curve(labels, scores)).values(), strict=True):
        counted = confusion(labels, is_anomalous(scores, threshold))
        assert (counted.recall, counted.precision) == (x, y)


def test_points_in_the_middle_of_a_straight_stretch_are_left_out():
    labels, scores = np.array([1, 1, 1, 0, 0, 0, 1, 0]), np.arange(8.0)[::-1]
    roc = roc_curve(labels, scores)
    assert list(zip(roc.x, roc.y, strict=True)) == [(0, 0), (0, 0.75), (0.75, 0.75), (0.75, 1), (1, 1)]


@pytest.mark.parametrize(("curve_of", "area_of"), [(roc_curve, auroc), (precision_recall_curve, average_precision)])
def test_a_curve_of_20000_pictures_is_small_and_keeps_its_shape(curve_of, area_of):
    labels, scores = many_pictures()
    curve = curve_of(labels, scores)
    assert len(curve.x) <= curves.MAX_POINTS
    area = np.trapezoid(curve.y, curve.x) if curve_of is roc_curve else step_area(curve)
    assert area == pytest.approx(area_of(labels, scores), abs=1 / curves.COLUMNS)
    assert (np.diff(curve.x) >= 0).all()
    assert (np.diff(curve.thresholds) < 0).all()


@pytest.mark.parametrize("curve_of", [roc_curve, precision_recall_curve])
def test_one_class_has_no_curve(curve_of):
    assert curve_of(np.zeros(3, dtype=int), np.arange(3.0)) is None


def test_pictures_that_all_tie_give_the_diagonal_and_a_single_operating_point():
    labels, scores = np.array([0, 1, 1]), np.full(3, 0.5)
    assert points(roc_curve(labels, scores)) == {(0, 0), (1, 1)}
    assert points(precision_recall_curve(labels, scores)) == {(1, round(2 / 3, 12))}
