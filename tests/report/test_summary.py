"""Oracles: a method with six test pictures, counted by hand, and Python's own CSV writer."""

import csv
import io

import numpy as np
import pytest

from iad.decision.costs import Prices
from iad.io import write_csv
from iad.metrics.curves import roc_curve
from iad.report.evaluation import curves_of
from iad.report.pairs import compare_methods
from iad.report.summary import comparisons_frame, costs_frame, curves_frame, losses_frame, scores_frame
from tests.outcomes import outcome, summary

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


def test_where_nothing_is_rejected_precision_is_left_out_and_not_0():
    found = summary(threshold=1e9)
    assert list(found.metrics) == [key for key in KEYS if key != "precision"]
    assert (found.metrics["recall"], found.metrics["f1"], found.metrics["misses"]) == (0, 0, 3)


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


HISTORY = [
    {"epoch": 1, "train_loss": 0.5, "validation_loss": 0.6},
    {"epoch": 2, "train_loss": 1e-5, "validation_loss": 0.1},
]


def written(path, table):
    write_csv(path, table)
    return path.read_text()


def oracle(header, rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows])
    return text.getvalue()


def trained(name, history):
    return outcome(method=name, provenance={"model": {"name": "autoencoder", "history": history}})


def test_scores_keep_every_digit_and_say_one_for_rejected(tmp_path):
    scores = [1 / 3, 0.1 + 0.2, 1e-7, 123456789.123456789, 2 / 3]
    found = outcome(labels=[0, 0, 0, 1, 1], scores=scores, threshold=0.5)
    rows = [(f"{row}.png", int(row > 2), score, int(score >= 0.5)) for row, score in enumerate(scores)]
    assert written(tmp_path / "a.csv", scores_frame(found)) == oracle(("image_id", "label", "score", "rejected"), rows)


def test_names_with_commas_quotes_and_lines_are_those_of_the_csv_format(tmp_path):
    names = ['a,"b".png', "c\nd.png", "$e$.png", "\u7535\u6c60.png", "f;g.png", " h.png"]
    found = outcome(image_id=np.array(names, dtype=object))
    assert [
        row["image_id"] for row in csv.DictReader(io.StringIO(written(tmp_path / "a.csv", scores_frame(found))))
    ] == names


def test_curves_name_the_method_and_skip_those_with_one_class(tmp_path):
    outcomes = [outcome(method="a"), outcome(method="b", labels=[0] * 6)]
    curves = curves_of(roc_curve, outcomes)
    rows = [
        ("a", threshold, round(x, 6), round(y, 6))
        for threshold, x, y in zip(
            curves["a"].thresholds.tolist(), curves["a"].x.tolist(), curves["a"].y.tolist(), strict=True
        )
    ]
    assert written(tmp_path / "a.csv", curves_frame(curves, "x", "y")) == oracle(
        ("method", "threshold", "x", "y"), rows
    )


def test_losses_are_those_of_every_method_that_was_trained(tmp_path):
    frozen = outcome(method="vit", provenance={"model": {"name": "dino"}})
    found = losses_frame([trained("ae", HISTORY), frozen, trained("ae_wide", HISTORY[:1])])
    rows = [("ae", 1, 0.5, 0.6), ("ae", 2, 1e-5, 0.1), ("ae_wide", 1, 0.5, 0.6)]
    header = ("method", "epoch", "train_loss", "validation_loss")
    assert written(tmp_path / "a.csv", found) == oracle(header, rows)
    assert written(tmp_path / "b.csv", losses_frame([frozen])) == oracle(header, [])


def test_comparisons_leave_empty_what_a_test_does_not_have_and_counts_whole(tmp_path):
    methods = [outcome(method="a"), outcome(method="b", scores=(0.1, 0.7, 0.7, 0.3, 0.2, 0.9))]
    text = written(tmp_path / "a.csv", comparisons_frame(compare_methods(methods, confidence=0.95)))
    auroc, misses, _ = csv.DictReader(io.StringIO(text))
    assert list(auroc)[:5] == ["method", "against", "metric", "test", "difference"]
    assert (auroc["only_method"], misses["low"]) == ("", "")
    assert float(auroc["difference"]) == pytest.approx(8 / 9 - 5 / 9, abs=1e-6)
    assert (misses["difference"], misses["only_method"], misses["only_against"], misses["real"]) == (
        "-1",
        "0",
        "1",
        "0",
    )
    assert written(tmp_path / "b.csv", comparisons_frame([])).startswith("method,against,metric,test,difference,p,")


def test_costs_follow_the_roc_curve_and_are_absent_without_prices(tmp_path):
    curves = curves_of(roc_curve, [outcome(method="a")])
    line = Prices(miss=10, false_alarm=1, defect_rate=0.02)
    rows = list(csv.DictReader(io.StringIO(written(tmp_path / "a.csv", costs_frame(curves, line)))))
    assert [float(row["recall"]) for row in rows] == pytest.approx(curves["a"].y.tolist(), abs=1e-6)
    expected = 200 * (1 - curves["a"].y) + 980 * curves["a"].x
    assert [float(row["cost_per_1000"]) for row in rows] == pytest.approx(expected.tolist(), abs=1e-4)
    header = "method,threshold,false_alarm_rate,recall,cost_per_1000\n"
    assert written(tmp_path / "b.csv", costs_frame(curves, None)) == header
    assert written(tmp_path / "c.csv", costs_frame({}, line)) == header
