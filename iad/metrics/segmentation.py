"""Marked pixels against masks: counted over all pictures, as the field scores segmentations."""

from __future__ import annotations

import numpy as np

from iad.metrics.image import Confusion
from iad.metrics.pixels import PixelPictures


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
        counts += np.bincount((2 * defect + marked).ravel(), minlength=4)
    good, false_alarms, missed, caught = (int(count) for count in counts)
    return Confusion(caught, false_alarms, missed, good)


def iou(confusion: Confusion) -> float | None:
    """Intersection over union of marked and defect pixels, TP / (TP + FP + FN); None without a defect pixel.

    >>> iou(Confusion(true_positives=2, false_positives=1, false_negatives=1, true_negatives=5))
    0.5
    """
    union = confusion.true_positives + confusion.false_positives + confusion.false_negatives
    return confusion.true_positives / union if confusion.anomalous else None
