"""Oracle: the numbers of a method with six test pictures, as the table shows them."""

from iad.evaluation.report import report_of
from iad.evaluation.results_table import results_rows
from tests.outcomes import summary


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
