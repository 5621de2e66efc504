"""Oracle: a report of a few numbers, as the tables of differences and of costs show it."""

from iad.report.pairs import compare_methods
from iad.report.results_table import MOST_PAIRS, comparison_table, costs_table
from iad.report.summary import report_of
from tests.outcomes import outcome, summary


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
