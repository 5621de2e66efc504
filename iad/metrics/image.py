"""Metrics of pictures' scores, on raw float64 scores: nothing is clamped, scaled or rounded.

Labels: 0 normal, 1 anomalous. Scores: higher = more anomalous. A metric that is undefined for lack of a class is None.

Scores are sorted once and equal ones grouped; everything else follows from cumulative counts, whose leading axes may
hold bootstrap draws. So a point estimate and its interval come from the same lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iad.errors import IadError


@dataclass(frozen=True)
class Counts:
    """Pictures of each class with `score >= thresholds[j]`.

    Attributes:
        thresholds: float64 `(M,)`, the distinct scores, strictly decreasing.
        true_positives: int64 `(..., M)`, anomalous pictures at or above each threshold.
        false_positives: int64 `(..., M)`, normal pictures at or above each threshold.
    """

    thresholds: np.ndarray
    true_positives: np.ndarray
    false_positives: np.ndarray

    @property
    def positives(self) -> np.ndarray:
        """All anomalous pictures, int64 `(...)`."""
        return np.asarray(self.true_positives[..., -1])

    @property
    def negatives(self) -> np.ndarray:
        """All normal pictures, int64 `(...)`."""
        return np.asarray(self.false_positives[..., -1])


@dataclass(frozen=True)
class Ranking:
    """Test pictures in decreasing order of score, equal scores in one group.

    Attributes:
        order: int64 `(N,)`, row of each ranked picture in the arrays given.
        anomalous: bool `(N,)`, in ranked order.
        thresholds: float64 `(M,)`, the distinct scores, strictly decreasing.
        group_ends: int64 `(M,)`, rank of the last picture of each group.
    """

    order: np.ndarray
    anomalous: np.ndarray
    thresholds: np.ndarray
    group_ends: np.ndarray

    def counts(self, weights: np.ndarray | None = None) -> Counts:
        """Count pictures at or above each threshold.

        Args:
            weights: int64 `(..., N)` in ranked order, how often each picture was drawn; None counts each once.

        >>> found = rank(np.array([0, 1, 1]), np.array([0.2, 0.5, 0.2])).counts(np.array([1, 2, 0]))  # in ranked order
        >>> found.true_positives.tolist(), found.false_positives.tolist()
        ([1, 1], [0, 2])
        """
        weights = np.ones(len(self.order), dtype=np.int64) if weights is None else weights
        everything = np.cumsum(weights, axis=-1)[..., self.group_ends]  # (..., M)
        anomalous = np.cumsum(np.where(self.anomalous, weights, 0), axis=-1)[..., self.group_ends]
        return Counts(self.thresholds, anomalous, everything - anomalous)


def rank(gt_label: np.ndarray, pred_score: np.ndarray, *, origin: str = "test scores") -> Ranking:
    """Sort test pictures by decreasing score and group equal scores.

    Args:
        gt_label: int64 `(N,)`, 0 normal, 1 anomalous.
        pred_score: float64 `(N,)`, higher = more anomalous.
        origin: where both come from; a refusal begins with it.

    Raises:
        IadError: if there is no picture, the lengths differ, a label is neither 0 nor 1, or a score is not finite.

    >>> found = rank(np.array([0, 1, 1]), np.array([0.2, 0.5, 0.2]))
    >>> found.order.tolist(), found.thresholds.tolist(), found.counts().true_positives.tolist()
    ([1, 0, 2], [0.5, 0.2], [1, 2])
    """
    labels, scores = np.asarray(gt_label), np.asarray(pred_score, dtype=np.float64)
    _check(labels, scores, origin)
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    group_ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    return Ranking(order, labels[order] == 1, ranked[group_ends], group_ends)


def auroc_of(counts: Counts) -> np.ndarray:
    """Area under the ROC curve, `(...)`; every row of `counts` must hold both classes. See `auroc`.

    >>> ranking = rank(np.array([0, 1, 1]), np.array([0.3, 0.2, 0.4]))
    >>> auroc_of(ranking.counts(np.array([[1, 1, 1], [2, 1, 0]]))).tolist()  # as they are; the best drawn twice
    [0.5, 1.0]
    """
    true, false = counts.true_positives, counts.false_positives
    new_false = np.diff(false, axis=-1, prepend=0)
    above = true + true - np.diff(true, axis=-1, prepend=0)  # anomalous before the group plus up to it: ties count 1/2
    return np.asarray((new_false * above).sum(axis=-1) / (2 * counts.positives * counts.negatives))


def average_precision_of(counts: Counts) -> np.ndarray:
    """Average precision, `(...)`; every row of `counts` must hold an anomalous picture. See `average_precision`.

    >>> average_precision_of(rank(np.array([0, 1, 1]), np.array([0.3, 0.2, 0.4])).counts()).item()
    0.8333333333333333
    """
    true = counts.true_positives
    rejected = np.maximum(true + counts.false_positives, 1)  # a draw may miss the first groups; their term is 0 anyway
    return np.asarray((np.diff(true, axis=-1, prepend=0) * (true / rejected)).sum(axis=-1) / counts.positives)


def f1_of(true_positives: np.ndarray, false_positives: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """F1 = 2 TP / (2 TP + FP + FN), `(...)`; 0 where nothing is rejected. `positives` must not be 0.

    >>> f1_of(np.array([0, 2]), np.array([0, 1]), np.array(2)).tolist()
    [0.0, 0.8]
    """
    return np.asarray(2 * true_positives / (true_positives + false_positives + positives))


def auroc(gt_label: np.ndarray, pred_score: np.ndarray) -> float | None:
    """Probability that an anomalous picture scores higher than a normal one; a tie counts one half (Mann-Whitney).

    Args:
        gt_label: int64 `(N,)`, 0 normal, 1 anomalous.
        pred_score: float64 `(N,)`, higher = more anomalous.

    Returns:
        A value in [0, 1]; None unless both classes are there.

    >>> auroc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.4, 0.8]))
    0.875
    """
    return float(auroc_of(rank(gt_label, pred_score).counts())) if both_classes(gt_label) else None


def average_precision(gt_label: np.ndarray, pred_score: np.ndarray) -> float | None:
    """Area under the step-wise precision-recall curve, sum of `(R_j - R_{j-1}) P_j`, as scikit-learn defines it.

    Args:
        gt_label: int64 `(N,)`, 0 normal, 1 anomalous.
        pred_score: float64 `(N,)`, higher = more anomalous.

    Returns:
        A value in (0, 1]; None unless both classes are there.

    >>> average_precision(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.6, 0.8]))
    0.8333333333333333
    """
    return float(average_precision_of(rank(gt_label, pred_score).counts())) if both_classes(gt_label) else None


@dataclass(frozen=True)
class BestF1:
    """The best F1 that any threshold could reach on these test pictures: an oracle, never a strategy."""

    value: float
    threshold: float


def best_f1(gt_label: np.ndarray, pred_score: np.ndarray) -> BestF1 | None:
    """Find the threshold with the best F1 for the predicate `score >= threshold`; the highest one where several tie.

    Args:
        gt_label: int64 `(N,)`, 0 normal, 1 anomalous.
        pred_score: float64 `(N,)`, higher = more anomalous.

    Returns:
        None unless both classes are there.

    >>> best_f1(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.6, 0.8]))
    BestF1(value=0.8, threshold=0.4)
    """
    if not both_classes(gt_label):
        return None
    counts = rank(gt_label, pred_score).counts()
    f1 = f1_of(counts.true_positives, counts.false_positives, counts.positives)
    best = int(np.argmax(f1))
    return BestF1(float(f1[best]), float(counts.thresholds[best]))


def both_classes(gt_label: np.ndarray) -> bool:
    """Whether there is at least one normal and one anomalous picture.

    >>> both_classes(np.array([0, 1])), both_classes(np.array([1, 1]))
    (True, False)
    """
    anomalous = np.asarray(gt_label) == 1
    return bool(anomalous.any() and not anomalous.all())


def _check(labels: np.ndarray, scores: np.ndarray, origin: str) -> None:
    if labels.shape != scores.shape:
        raise IadError(f"{origin}: {labels.size} labels for {scores.size} scores; each test picture needs one of each")
    if labels.size == 0:
        raise IadError(f"{origin}: no test picture; give the data set some, good and defective")
    if strange := sorted(set(labels.tolist()) - {0, 1}):
        raise IadError(f"{origin}: label {strange[0]!r}; only 0 (normal) and 1 (anomalous) are known")
    if not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).sum())
        raise IadError(f"{origin}: {bad} of {scores.size} scores are not finite; run `dvc repro --force` for its stage")
