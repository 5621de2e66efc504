"""Oracle: a method with six test pictures, whose every number can be counted by hand."""

import pytest

from tests.outcomes import summary

KEYS = [
    "auroc", "auroc_low", "auroc_high", "average_precision", "f1", "precision", "recall", "threshold", "false_alarms",
    "misses",
]  # fmt: skip


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
    assert list(found.details["intervals"]) == ["recall" if label else "false_alarm_rate"]


def test_the_report_holds_what_the_metrics_leave_out():
    details = summary().details
    assert details["pictures"] == {"calibration": 3, "test_good": 3, "test_anomalous": 3}
    assert details["verdicts"]["true_positives"] == 2
    assert details["verdicts"]["false_alarm_rate"] == 0.333333
    assert details["verdicts"]["balanced_accuracy"] == 0.666667
    assert set(details["intervals"]) == set(details["interval_methods"]) == {
        "auroc", "average_precision", "f1", "precision", "recall", "false_alarm_rate", "balanced_accuracy",
    }  # fmt: skip
    assert set(details["interval_methods"].values()) == {"bootstrap"}
    assert (details["oracle"]["best_f1"], details["oracle"]["threshold"]) == (0.857143, 0.3)
    assert details["recall_per_defect"]["hole"] == {"pictures": 2, "rejected": 1, "recall": 0.5}
    assert details["provenance"] == {"method": "vit", "model": {"name": "dino"}}
    assert details["threshold"]["strategy"] == "percentile"
