"""Oracle: the numbers of a method with six test pictures, and a report of a few numbers, as the tables show them."""

from iad.report.pairs import compare_methods
from iad.report.results_table import (
    MOST_PAIRS,
    comparison_table,
    costs_table,
    localization_note,
    localization_table,
    results_rows,
)
from iad.report.summary import report_of
from tests.outcomes import outcome, summary


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


MEASURED = {
    "threshold": {"strategy": "pixel_share"},
    "pictures": {"good": 3, "anomalous": 2, "without_mask": 0},
    "auroc": 0.98, "average_precision": 0.5, "aupro": 0.91, "aupimo": None, "f1": 0.4, "iou": 0.25,
    "intervals": {"pixel_auroc": [0.97, 0.99], "aupro": [0.9, 0.92]},
    "oracle": {"best_f1": 0.6},
}  # fmt: skip
NO_MAPS = {"left_out": "it writes no anomaly maps"}
NO_MASKS = {"threshold": {"strategy": "pixel_share"}, "left_out": "the data set has no masks"}


def with_pixels(**pixels):
    return report_of({method: summary() for method in pixels}, 0.95, pixels=pixels)


def test_the_table_of_pixel_metrics_shows_the_methods_that_have_them():
    title, header, rows = localization_table(with_pixels(vit=NO_MAPS, ae=MEASURED))
    assert "2 defective and 3 good pictures" in title
    assert header[1] == "pixel AUROC [95 %]"
    row = ["ae", "0.980 [0.970, 0.990]", "0.500", "0.910 [0.900, 0.920]", "-", "0.400", "0.250", "0.600"]
    assert rows == [row]
    assert len(header) == len(row)
    single = MEASURED | {"pictures": {"good": 1, "anomalous": 1, "without_mask": 0}}
    assert "1 defective and 1 good picture." in localization_table(with_pixels(ae=single))[0]


def test_without_masks_a_line_says_why_there_is_no_such_table():
    report = with_pixels(vit=NO_MAPS, ae=NO_MASKS)
    assert localization_table(report) is None
    assert localization_note(report) == "No pixel metrics: the data set has no masks."


def test_without_maps_nothing_is_said_of_pixels():
    for report in (with_pixels(vit=NO_MAPS), report_of({"vit": summary()}, 0.95)):
        assert localization_table(report) is localization_note(report) is None


def compared(names):
    outcomes = [outcome(method=name) for name in names]
    return comparison_table(
        report_of({name: summary() for name in names}, 0.95, compare_methods(outcomes, confidence=0.95))
    )


def test_a_pair_shows_its_difference_with_interval_the_discordant_pictures_and_noise():
    title, header, rows = compared("ab")
    assert title.startswith("Differences on the same pictures, real or noise: 3 tests")
    assert header[2] == "AUROC difference [95 %]"
    cells = ["+0.000 [+0.000, +0.000] noise (p 1)", "0 : 0 noise (p 1)", "0 : 0 noise (p 1)"]
    assert rows == [["a", "b", *cells]]


def test_many_methods_show_the_pairs_of_the_best_one_and_count_the_others():
    title, _, rows = compared("abcde")
    assert len(rows) == 4 < MOST_PAIRS
    assert {row[0] for row in rows} == {"a"}
    assert "6 more pairs" in title


def test_a_real_difference_is_called_real():
    one = {"method": "a", "against": "b", "metric": "misses", "only_method": 2, "only_against": 40, "real": True}
    title, _, rows = comparison_table({"confidence": 0.95, "comparisons": [one | {"p_holm": 1e-9}]})
    assert ": 1 test, Holm-corrected" in title
    assert rows == [["a", "b", "-", "2 : 40 real (p < 0.001)", "-"]]


def test_a_report_without_differences_or_costs_has_no_table_of_them():
    assert comparison_table({"confidence": 0.95}) is None
    assert costs_table({"confidence": 0.95, "costs": None}) is None
