"""Verdicts, and how they count against the truth: of pictures against their labels, of pixels against their masks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from iad.metrics.pixels import PixelPictures


@dataclass(frozen=True)
class Confusion:
    """Counts of verdicts against labels, and what follows from them; None where a class is missing.

    A miss is a false negative (a bad part passed), a false alarm a false positive (a good part rejected).
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def anomalous(self) -> int:
        """Number of anomalous pictures."""
        return self.true_positives + self.false_negatives

    @property
    def normal(self) -> int:
        """Number of normal pictures."""
        return self.false_positives + self.true_negatives

    @property
    def matrix(self) -> np.ndarray:
        """`[[TN, FP], [FN, TP]]`, int64 `(2, 2)`: rows are labels, columns verdicts.

        >>> Confusion(true_positives=3, false_positives=1, false_negatives=2, true_negatives=4).matrix.tolist()
        [[4, 1], [2, 3]]
        """
        return np.array(
            [[self.true_negatives, self.false_positives], [self.false_negatives, self.true_positives]], dtype=np.int64
        )

    @property
    def recall(self) -> float | None:
        """Share of the anomalous pictures that are rejected.

        >>> Confusion(true_positives=3, false_positives=0, false_negatives=1, true_negatives=0).recall
        0.75
        """
        return self.true_positives / self.anomalous if self.anomalous else None

    @property
    def false_alarm_rate(self) -> float | None:
        """Share of the normal pictures that are rejected.

        >>> Confusion(true_positives=0, false_positives=1, false_negatives=0, true_negatives=3).false_alarm_rate
        0.25
        """
        return self.false_positives / self.normal if self.normal else None

    @property
    def precision(self) -> float | None:
        """Share of the rejected pictures that are anomalous; None where nothing is rejected, or all are of one class.

        >>> Confusion(true_positives=3, false_positives=1, false_negatives=2, true_negatives=4).precision
        0.75
        >>> Confusion(true_positives=3, false_positives=0, false_negatives=2, true_negatives=0).precision is None
        True
        """
        rejected = self.true_positives + self.false_positives
        return self.true_positives / rejected if rejected and self.anomalous and self.normal else None

    @property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN); 0 where nothing is rejected.

        >>> Confusion(true_positives=2, false_positives=1, false_negatives=3, true_negatives=4).f1
        0.5
        """
        if not (self.anomalous and self.normal):
            return None
        return 2 * self.true_positives / (2 * self.true_positives + self.false_positives + self.false_negatives)

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of recall and of the share of normal pictures that pass; 0.5 for rejecting every part.

        >>> Confusion(true_positives=3, false_positives=1, false_negatives=1, true_negatives=1).balanced_accuracy
        0.625
        """
        if self.recall is None or self.false_alarm_rate is None:
            return None
        return (self.recall + 1 - self.false_alarm_rate) / 2


def confusion(gt_label: np.ndarray, rejected: np.ndarray) -> Confusion:
    """Count verdicts against labels.

    Args:
        gt_label: int64 `(N,)`, 0 normal, 1 anomalous.
        rejected: bool `(N,)`, the verdict of `iad.decision.thresholds.is_anomalous`.

    >>> confusion(np.array([0, 0, 1, 1]), np.array([False, True, True, True]))
    Confusion(true_positives=2, false_positives=1, false_negatives=0, true_negatives=1)
    """
    anomalous, rejected = np.asarray(gt_label) == 1, np.asarray(rejected, dtype=bool)
    return Confusion(
        true_positives=int((anomalous & rejected).sum()),
        false_positives=int((~anomalous & rejected).sum()),
        false_negatives=int((anomalous & ~rejected).sum()),
        true_negatives=int((~anomalous & ~rejected).sum()),
    )


@dataclass(frozen=True, eq=False)
class Verdicts:
    """Labels, scores and verdicts of the same N test pictures.

    Attributes:
        gt_label: int64 `(N,)`, 0 normal, 1 anomalous.
        pred_score: float64 `(N,)`, higher = more anomalous.
        rejected: bool `(N,)`, true where the method calls the picture anomalous.
    """

    gt_label: np.ndarray
    pred_score: np.ndarray
    rejected: np.ndarray

    @classmethod
    def of_table(cls, table: Any) -> Verdicts:
        """Take the columns `label`, `score` and `rejected` of a table, such as a DataFrame of scores.

        >>> Verdicts.of_table({"label": [0, 1], "score": [0.2, 0.9], "rejected": [False, True]}).confusion.recall
        1.0
        """
        return cls(
            np.asarray(table["label"], dtype=np.int64),
            np.asarray(table["score"], dtype=np.float64),
            np.asarray(table["rejected"], dtype=bool),
        )

    @cached_property
    def confusion(self) -> Confusion:
        """The verdicts counted against the labels.

        >>> Verdicts(np.array([0, 1]), np.array([0.2, 0.4]), np.array([False, False])).confusion
        Confusion(true_positives=0, false_positives=0, false_negatives=1, true_negatives=1)
        """
        return confusion(self.gt_label, self.rejected)

    def equals(self, other: Verdicts) -> bool:
        """Whether every label, score and verdict is the same, in the same order.

        >>> one = Verdicts(np.array([0, 1]), np.array([0.2, 0.9]), np.array([False, True]))
        >>> one.equals(one), one.equals(Verdicts(one.gt_label, one.pred_score, ~one.rejected))
        (True, False)
        """
        mine, others = ((verdicts.gt_label, verdicts.pred_score, verdicts.rejected) for verdicts in (self, other))
        return all(np.array_equal(*pair) for pair in zip(mine, others, strict=True))


@dataclass(frozen=True)
class DefectRecall:
    """How many pictures of one kind of defect were rejected."""

    pictures: int
    rejected: int

    @property
    def recall(self) -> float:
        """Share of the pictures of this kind that are rejected."""
        return self.rejected / self.pictures


def recall_per_defect(gt_label: np.ndarray, defects: np.ndarray, rejected: np.ndarray) -> dict[str, DefectRecall]:
    """Recall of each kind of defect, by name.

    Args:
        gt_label: int64 `(N,)`, 0 normal, 1 anomalous.
        defects: str `(N,)`, the kind of defect; ignored where the label is 0.
        rejected: bool `(N,)`, the verdict.

    >>> found = recall_per_defect(np.array([0, 1, 1]), np.array(["good", "cut", "cut"]), np.array([True, True, False]))
    >>> found["cut"], found["cut"].recall
    (DefectRecall(pictures=2, rejected=1), 0.5)
    """
    anomalous, defects = np.asarray(gt_label) == 1, np.asarray(defects)
    kinds = {str(kind): anomalous & (defects == kind) for kind in sorted(set(defects[anomalous]))}
    return {kind: DefectRecall(int(here.sum()), int(rejected[here].sum())) for kind, here in kinds.items()}


def pixel_confusion(pictures: PixelPictures, threshold: float) -> Confusion:
    """Count the pixels of all pictures, marked or not, against their masks; its `f1` is the pixel F1.

    Args:
        pictures: maps and masks; a normal picture has good pixels only.
        threshold: pixels with `score >= threshold` are marked; chosen elsewhere, without these pictures.

    Raises:
        IadError: if a map or a mask is refused, see `iad.metrics.pixels`.

    >>> maps, masks = np.array([[[0.1, 0.5], [0.9, 0.4]]]), np.array([[[0, 0], [1, 1]]])
    >>> pixel_confusion(PixelPictures(maps, masks, np.array([1])), 0.5)
    Confusion(true_positives=1, false_positives=1, false_negatives=1, true_negatives=1)
    """
    counts = np.zeros(4, dtype=np.int64)
    for row in range(len(pictures)):
        # float64 on purpose: a Python float would be rounded to float32 first, and a value just below it be marked
        marked, defect = pictures.map(row) >= np.float64(threshold), pictures.mask(row)
        cells = 2 * defect + marked
        counts += np.bincount((cells if pictures.region is None else cells[pictures.region]).ravel(), minlength=4)
    good, false_alarms, missed, caught = (int(count) for count in counts)
    return Confusion(caught, false_alarms, missed, good)


def iou(confusion: Confusion) -> float | None:
    """Intersection over union of marked and defect pixels, TP / (TP + FP + FN); None without a defect pixel.

    >>> iou(Confusion(true_positives=2, false_positives=1, false_negatives=1, true_negatives=5))
    0.5
    """
    union = confusion.true_positives + confusion.false_positives + confusion.false_negatives
    return confusion.true_positives / union if confusion.anomalous else None
