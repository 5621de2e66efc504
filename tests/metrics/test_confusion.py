"""Oracle: verdicts counted one by one."""

import numpy as np
import pytest

from iad.metrics.confusion import confusion, iou, pixel_confusion, recall_per_defect
from iad.metrics.pixels import PixelPictures


def test_rejecting_every_part_has_a_balanced_accuracy_of_one_half():
    labels = np.array([1] * 119 + [0] * 41)  # MVTec screw, where this verdict has the study's F1 of 0.8530
    counted = confusion(labels, np.ones(160, dtype=bool))
    assert counted.f1 == pytest.approx(0.8530, abs=5e-5)
    assert (counted.balanced_accuracy, counted.false_alarm_rate) == (0.5, 1.0)


def test_confusion_counts_are_laid_out_by_label_and_verdict():
    labels = np.array([0] * 10 + [1] * 5)
    rejected = np.array([True] * 3 + [False] * 7 + [True] * 4 + [False])
    assert confusion(labels, rejected).matrix.tolist() == [[7, 3], [1, 4]]


def test_recall_is_counted_for_each_kind_of_defect():
    labels = np.array([0, 1, 1, 1, 1])
    defects = np.array(["good", "hole", "cut", "hole", "cut"], dtype=object)
    found = recall_per_defect(labels, defects, np.array([True, True, False, True, True]))
    assert list(found) == ["cut", "hole"]
    assert (found["hole"].recall, found["cut"].recall, found["cut"].pictures) == (1.0, 0.5, 2)


def test_pixel_verdicts_are_counted_with_greater_or_equal():
    masks = np.array([[[0, 0, 0]], [[255, 255, 0]]], np.uint8)
    maps = np.array([[[0.1, 0.5, 0.2]], [[0.5, 0.4, 0.9]]], np.float32)
    found = pixel_confusion(PixelPictures(maps, masks, np.array([0, 1])), 0.5)
    assert found.matrix.tolist() == [[2, 2], [1, 1]]
    assert found.f1 == pytest.approx(2 / (2 + 2 + 1))
    assert iou(found) == pytest.approx(1 / 4)


def test_a_threshold_between_two_float32_values_is_not_rounded_onto_one():
    score = np.float32(0.1)
    pictures = PixelPictures(np.full((1, 1, 1), score), np.ones((1, 1, 1)), np.array([1]))
    assert pixel_confusion(pictures, float(np.nextafter(np.float64(score), 1))).true_positives == 0
    assert pixel_confusion(pictures, float(score)).true_positives == 1


def test_iou_is_absent_without_a_defect_pixel():
    assert iou(pixel_confusion(PixelPictures(np.ones((1, 2, 2)), np.zeros((1, 2, 2)), np.array([0])), 0.5)) is None
