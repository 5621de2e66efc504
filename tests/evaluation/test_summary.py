"""Oracle: a method with six test pictures, whose every number can be counted by hand."""

import numpy as np
import pytest

from iad.decision.thresholds import is_anomalous
from iad.errors import IadError
from iad.evaluation.curves import roc_curve
from iad.evaluation.summary import (
    Outcome,
    curve_rows,
    curves_of,
    loss_rows,
    report_of,
    results_rows,
    score_rows,
    summarize,
)

KEYS = [
    "auroc", "auroc_low", "auroc_high", "average_precision", "f1", "precision", "recall", "threshold", "false_alarms",
    "misses",
]  # fmt: skip


def outcome(labels=(0, 0, 0, 1, 1, 1), scores=(0.1, 0.2, 0.7, 0.3, 0.8, 0.9), threshold=0.65, **changes):
    labels, scores = np.array(labels), np.array(scores, dtype=float)
    kinds = np.array(["hole", "cut", "hole"] * len(labels), dtype=object)[: len(labels)]
    return Outcome(
        **{
            "method": "vit",
            "image_ids": np.array([f"{row}.png" for row in range(len(labels))], dtype=object),
            "labels": labels,
            "defects": np.where(labels == 1, kinds, "good"),
            "scores": scores,
            "rejected": is_anomalous(scores, threshold),
            "calibration": np.array([0.1, 0.6, 0.7]),
            "threshold": {"strategy": "percentile", "value": threshold, "n_calibration": 3},
            "provenance": {"method": "vit", "model": {"name": "dino", "history": [{"epoch": 1}]}},
        }
        | changes
    )


def summary(**changes):
    return summarize(outcome(**changes), draws=100, confidence=0.95, seed=0)


def test_metrics_are_the_ten_of_the_contract_in_its_order():
    found = summary().metrics
    assert list(found) == KEYS
    assert (found["auroc"], found["precision"], found["recall"]) == (0.888889, 0.666667, 0.666667)
    assert (found["false_alarms"], found["misses"], found["threshold"]) == (1, 1, 0.65)


def test_a_small_threshold_keeps_its_digits():
    assert summary(threshold=0.000123456789).metrics["threshold"] == 0.000123457


@pytest.mark.parametrize(
    ("label", "left"), [(0, ["threshold", "false_alarms"]), (1, ["recall", "threshold", "misses"])]
)
def test_metrics_without_their_class_are_left_out(label, left):
    found = summary(labels=[label] * 6)
    assert list(found.metrics) == left
    assert found.details["oracle"] is None
    assert found.details["intervals"] == {}


def test_the_report_holds_what_the_metrics_leave_out():
    details = summary().details
    assert details["pictures"] == {"calibration": 3, "test_good": 3, "test_anomalous": 3}
    assert details["verdicts"]["true_positives"] == 2
    assert details["verdicts"]["false_alarm_rate"] == 0.333333
    assert details["verdicts"]["balanced_accuracy"] == 0.666667
    assert set(details["intervals"]) == {"auroc", "average_precision", "f1"}
    assert (details["oracle"]["best_f1"], details["oracle"]["threshold"]) == (0.857143, 0.3)
    assert details["recall_per_defect"]["hole"] == {"pictures": 2, "rejected": 1, "recall": 0.5}
    assert details["provenance"] == {"method": "vit", "model": {"name": "dino"}}
    assert details["threshold"]["strategy"] == "percentile"


def test_the_worst_misses_score_lowest_and_the_worst_false_alarms_highest():
    labels, scores = [1, 1, 1, 0, 0, 0], [0.3, 0.1, 0.9, 0.7, 0.9, 0.2]
    found = outcome(labels=labels, scores=scores)
    assert found.worst_misses(5).tolist() == [1, 0]
    assert found.worst_misses(1).tolist() == [1]
    assert found.worst_false_alarms(5).tolist() == [4, 3]


def test_typical_pictures_lie_at_the_quartiles_of_their_class():
    scores = np.random.default_rng(0).permutation(40).astype(float)
    found = outcome(labels=[0] * 20 + [1] * 20, scores=scores)
    chosen = found.typical(1, 3)
    assert set(found.labels[chosen]) == {1}
    ranks = [int((scores[20:] < scores[row]).sum()) for row in chosen]
    assert ranks == [5, 10, 15]


@pytest.mark.parametrize(("pictures", "expected"), [(0, 0), (1, 1), (2, 2)])
def test_a_class_with_few_pictures_shows_those_it_has(pictures, expected):
    found = outcome(labels=[0] * 3 + [1] * pictures, scores=np.arange(3.0 + pictures))
    assert len(found.typical(1, 3)) == expected


def test_score_rows_keep_the_full_score_and_say_one_for_rejected():
    scores = [1 / 3, 0.1 + 0.2, 2 / 3]
    header, rows = score_rows(outcome(labels=[0, 0, 1], scores=scores, threshold=0.5))
    assert header == ("image_id", "label", "score", "rejected")
    assert rows == [("0.png", 0, 1 / 3, 0), ("1.png", 0, 0.1 + 0.2, 0), ("2.png", 1, 2 / 3, 1)]


def test_curve_rows_name_the_method_and_skip_those_with_one_class():
    outcomes = [outcome(method="a"), outcome(method="b", labels=[0] * 6)]
    header, rows = curve_rows(curves_of(roc_curve, outcomes), "x", "y")
    assert header == ("method", "threshold", "x", "y")
    assert {row[0] for row in rows} == {"a"}


def test_the_loss_is_that_of_the_method_that_was_trained():
    history = [{"epoch": 1, "train_loss": 0.5, "validation_loss": 0.6}]
    trained = outcome(provenance={"model": {"name": "autoencoder", "history": history}})
    frozen = outcome(provenance={"model": {"name": "dino"}})
    assert loss_rows([frozen, trained]) == (("epoch", "train_loss", "validation_loss"), [(1, 0.5, 0.6)])
    assert loss_rows([frozen])[1] == []


def test_the_table_shows_interval_threshold_and_counts_of_their_totals():
    found = summary()
    header, (row,) = results_rows(report_of({"vit": found}, 0.95), {"vit": found.metrics})
    assert header[2] == "AUROC [95 %]"
    low, high = found.metrics["auroc_low"], found.metrics["auroc_high"]
    assert row[:3] == ["vit", "dino", f"0.889 [{low:.3f}, {high:.3f}]"]
    assert row[-3:] == ["0.65", "1 of 3", "1 of 3"]


def test_the_table_of_a_test_set_of_one_class_has_dashes():
    found = summary(labels=[0] * 6)
    _, (row,) = results_rows(report_of({"vit": found}, 0.95), {"vit": found.metrics})
    assert row[2:] == ["-", "-", "-", "-", "-", "0.65", "3 of 6", "-"]


def test_scores_that_cannot_be_ranked_are_refused_with_the_file():
    with pytest.raises(IadError, match=r"^a/test: 1 of 2 scores are not finite"):
        outcome(labels=[0, 1], scores=[np.nan, 1]).check("a/test")
