"""Oracle: rows of a method with a handful of test pictures."""

from iad.metrics.curves import roc_curve
from iad.report.rows import curve_rows, curves_of, loss_rows, score_rows
from tests.outcomes import outcome


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
