"""Precision-recall and ROC curves as operating points: each point is what the predicate `score >= threshold` reaches.

Every threshold is finite. The ROC curve's origin, where nothing is rejected, gets the next number above the highest
score, not infinity, so that each row of a file is a threshold one could deploy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iad.metrics.image import both_classes, rank

MAX_POINTS = 2_000
COLUMNS = 500  # a curve of more points keeps the first and the last in each of so many columns: a pixel or less


@dataclass(frozen=True)
class Curve:
    """Operating points in order of decreasing threshold.

    Attributes:
        thresholds: float64 `(P,)`, finite, strictly decreasing; `score >= threshold` is rejected.
        x: float64 `(P,)` in [0, 1], never decreasing: recall, or the false-alarm rate.
        y: float64 `(P,)` in [0, 1]: precision, or recall.
    """

    thresholds: np.ndarray
    x: np.ndarray
    y: np.ndarray


def precision_recall_curve(gt_label: np.ndarray, pred_score: np.ndarray) -> Curve | None:
    """Recall (x) and precision (y) at each distinct score.

    The area below the steps that hold each precision back to the previous recall is the average precision. scikit-learn
    adds a point (0, 1), which no threshold reaches; it is not added here.

    Args:
        gt_label: int64 `(N,)`, 0 normal, 1 anomalous.
        pred_score: float64 `(N,)`, higher = more anomalous.

    Returns:
        None unless both classes are there.

    >>> curve = precision_recall_curve(np.array([0, 1, 1]), np.array([0.25, 0.5, 0.75]))
    >>> curve.thresholds.tolist(), curve.x.tolist(), curve.y.tolist()
    ([0.75, 0.5, 0.25], [0.5, 1.0, 1.0], [1.0, 1.0, 0.6666666666666666])
    """
    if not both_classes(gt_label):
        return None
    counts = rank(gt_label, pred_score).counts()
    true, false = counts.true_positives, counts.false_positives
    return _thinned(Curve(counts.thresholds, true / counts.positives, true / (true + false)))


def roc_curve(gt_label: np.ndarray, pred_score: np.ndarray) -> Curve | None:
    """False-alarm rate (x) and recall (y) at each distinct score, after the origin.

    The area below the straight lines between the points is the AUROC.

    Args:
        gt_label: int64 `(N,)`, 0 normal, 1 anomalous.
        pred_score: float64 `(N,)`, higher = more anomalous.

    Returns:
        None unless both classes are there.

    >>> curve = roc_curve(np.array([0, 1, 1]), np.array([0.3, 0.2, 0.4]))
    >>> curve.x.tolist(), curve.y.tolist()
    ([0.0, 0.0, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0])
    """
    points = operating_points(gt_label, pred_score)
    return None if points is None else _thinned(points)


def operating_points(gt_label: np.ndarray, pred_score: np.ndarray) -> Curve | None:
    """As `roc_curve`, with every point, also those that a drawing does not need.

    >>> points = operating_points(np.array([0, 1, 1]), np.array([0.25, 0.25, 0.5]))
    >>> points.thresholds.tolist(), points.x.tolist(), points.y.tolist()
    ([0.5000000000000001, 0.5, 0.25], [0.0, 0.0, 1.0], [0.0, 0.5, 1.0])
    """
    if not both_classes(gt_label):
        return None
    counts = rank(gt_label, pred_score).counts()
    thresholds = np.concatenate([[np.nextafter(counts.thresholds[0], np.inf)], counts.thresholds])
    x = np.concatenate([[0.0], counts.false_positives / counts.negatives])
    y = np.concatenate([[0.0], counts.true_positives / counts.positives])
    return Curve(thresholds, x, y)


def _thinned(curve: Curve) -> Curve:
    curve = _take(curve, _corners(curve.x, curve.y))
    if len(curve.x) <= MAX_POINTS:
        return curve
    changes = np.diff(np.floor(curve.x * COLUMNS)) != 0
    return _take(curve, np.append(True, changes) | np.append(changes, True))


def _corners(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # a point in the middle of a horizontal or vertical stretch changes neither straight lines nor steps
    flat, upright = np.diff(y) == 0, np.diff(x) == 0
    middle = (flat[:-1] & flat[1:]) | (upright[:-1] & upright[1:])
    return np.concatenate([[True], ~middle, [True]])[: len(x)]


def _take(curve: Curve, keep: np.ndarray) -> Curve:
    return Curve(curve.thresholds[keep], curve.x[keep], curve.y[keep])
