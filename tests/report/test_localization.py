"""Oracle: scikit-learn on all pixels, and masks of a few pixels that can be counted by eye."""

import json
import re

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, jaccard_score, roc_auc_score

from iad.decision.pixel_thresholds import pixel_threshold_from_good
from iad.metrics.pixels import PixelPictures
from iad.report.localization import pixel_details, why_no_pixels

GOOD, BAD = 4, 6


def pictures():
    generator = np.random.default_rng(0)
    maps = generator.normal(0, 1, (GOOD + BAD, 12, 12))
    masks = np.zeros(maps.shape, dtype=np.uint8)
    masks[GOOD:, 3:7, 5:8] = 1
    labels = np.array([0] * GOOD + [1] * BAD)
    return PixelPictures(maps + 1.5 * masks, masks, labels)


def details(given, **changes):
    threshold = pixel_threshold_from_good(np.random.default_rng(1).normal(0, 1, (30, 12, 12)), "pixel_share", 0.05)
    return threshold, pixel_details(given, threshold, **{"draws": 200, "confidence": 0.9, "seed": 0} | changes)


def test_pixel_metrics_are_those_of_scikit_learn():
    given = pictures()
    threshold, found = details(given)
    truth, scores = given.gt_mask.ravel(), given.anomaly_map.ravel()
    marked = scores >= threshold.value
    assert found["auroc"] == pytest.approx(roc_auc_score(truth, scores), abs=1e-6)
    assert found["average_precision"] == pytest.approx(average_precision_score(truth, scores), abs=1e-6)
    assert found["f1"] == pytest.approx(f1_score(truth, marked), abs=1e-6)
    assert found["iou"] == pytest.approx(jaccard_score(truth, marked), abs=1e-6)
    assert found["oracle"]["best_f1"] >= found["f1"]
    assert "an upper bound" in found["oracle"]["note"]
    assert found["pictures"] == {"good": GOOD, "anomalous": BAD}
    assert found["regions"] == BAD


def test_intervals_hold_the_estimate_and_widen_with_confidence():
    given = pictures()
    _, narrow = details(given, confidence=0.5)
    _, wide = details(given, confidence=0.95)
    for name, value in (("pixel_auroc", narrow["auroc"]), ("aupro", narrow["aupro"])):
        (low, high), (lowest, highest) = narrow["intervals"][name], wide["intervals"][name]
        assert lowest < low < value < high < highest


def test_without_draws_there_is_no_interval():
    assert details(pictures(), draws=0)[1]["intervals"] == {}


def test_a_metric_that_is_undefined_says_why():
    _, found = details(pictures())
    assert found["aupimo"] is None  # 4 good pictures of 144 pixels resolve no rate of 1e-5
    assert "576 pixels" in found["absent"]["aupimo"]
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("labels", "has_mask", "marks", "reason"),
    [
        ([0, 0], [0, 0], [0, 0], "there is no defective test picture"),
        ([0, 1], [1, 0], [0, 0], "the data set has no masks of defective test pictures"),
        ([0, 1, 1], [0, 1, 1], [0, 0, 0], r"no mask of a defective test picture marks a pixel \(b\.png, c\.png\); "),
        ([1, 1, 1], [1, 1, 1], [1, 0, 0], None),
        ([0, 1, 1], [0, 1, 0], [0, 1, 0], None),
    ],
)
def test_masks_that_allow_no_metric_say_why(labels, has_mask, marks, reason):
    found = why_no_pixels(
        np.array(labels), np.array(has_mask, dtype=bool), np.array(marks, dtype=bool), ["a.png", "b.png", "c.png"]
    )
    assert found is None if reason is None else re.match(reason, found)
