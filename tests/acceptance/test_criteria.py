"""Rulings on a study: each criterion at, above and below its limits."""

import numpy as np
import pytest
from pydantic import ValidationError

from iad.acceptance import Criteria
from iad.acceptance.agreement import agreement
from iad.acceptance.criteria import checks, verdict
from iad.acceptance.gauge import gauge_rr


def rulings(scores, rejected, bad=None, *, tolerance=None, **asked):
    """Of two pictures of each part, in order."""
    parts = np.repeat(np.arange(len(scores) // 2), 2).astype(str).tolist()
    reference = None if bad is None else np.array(bad, bool)
    criteria = Criteria(**asked)
    found = agreement(np.array(rejected, bool), parts, None, reference, criteria.confidence)
    made = checks(criteria, gauge_rr(np.array(scores, float), parts, tolerance=tolerance), found)
    return {one.name: one for one in made}, verdict(made)


SCORES, REJECTED = [1, 1.1, 9, 9.1, 2, 2.1, 8, 8.1], [0, 0, 1, 1, 0, 0, 1, 1]


def test_a_gauge_that_repeats_itself_and_is_right_is_accepted():
    found, said = rulings(SCORES, REJECTED, REJECTED)
    assert {name: one.ruling for name, one in found.items()} == {
        "%GRR, of study variation": "met",
        "distinct categories": "met",
        "kappa, repetitions": "met",
        "kappa, with the reference": "met",
    }
    assert said == "accepted"


@pytest.mark.parametrize(("limits", "ruling"), [((1, 2), "with conditions"), ((0.5, 1), "not met"), ((2, 3), "met")])
def test_grr_is_held_against_both_limits(limits, ruling):
    # 100 x 0.0707 / 4.03 = 1.75 %
    found, said = rulings(SCORES, REJECTED, grr=limits)
    assert found["%GRR, of study variation"].ruling == ruling
    assert said == {"met": "accepted", "with conditions": "accepted with conditions", "not met": "not accepted"}[ruling]


def test_a_tolerance_is_another_line():
    found, _ = rulings(SCORES, REJECTED, tolerance=0.5)
    assert found["%GRR, of tolerance"].ruling == "not met"  # 6 x 0.0707 / 0.5 = 85 %


def test_distinct_categories_are_counted():
    found, said = rulings(SCORES, REJECTED, ndc=1000)
    assert (found["distinct categories"].ruling, said) == ("not met", "not accepted")


def test_verdicts_that_flip_fail_the_kappa_of_repetitions():
    found, _ = rulings(SCORES, [0, 1, 1, 1, 0, 0, 1, 1])
    assert found["kappa, repetitions"].ruling == "not met"
    assert found["kappa, repetitions"].found.startswith("0.47")


def test_where_all_verdicts_are_alike_nothing_is_shown():
    found, said = rulings(SCORES, np.zeros(8))
    assert (found["kappa, repetitions"].ruling, said) == ("not shown", "not accepted")


def test_a_rate_of_misses_takes_as_many_parts_as_it_takes():
    bad = np.repeat(np.arange(80) < 60, 2)
    scores = np.where(bad, 9.0, 1.0) + np.tile([0, 0.1], 80) + np.repeat(np.arange(80), 2) / 100
    found, said = rulings(scores, bad, bad, missed=5)
    assert (found["missed parts"].ruling, said) == ("met", "accepted")  # 59 would do
    found, said = rulings(scores, bad, bad, missed=1)
    assert (found["missed parts"].ruling, said) == ("not shown", "not accepted")
    assert "takes 299 parts" in found["missed parts"].found
    found, _ = rulings(scores, bad, bad, false_alarms=20)
    assert found["false alarms"].ruling == "met"  # 0 of 20: at most 13.9 %


def test_more_misses_than_allowed_are_no_question_of_numbers():
    bad = np.array(REJECTED, bool)
    found, _ = rulings(SCORES, [0, 0, 0, 0, 0, 0, 1, 1], bad, missed=10)
    assert found["missed parts"].ruling == "not met"
    assert "takes" not in found["missed parts"].found


@pytest.mark.parametrize(
    "wrong",
    [{"grr": (30, 10)}, {"kappa": (0.5, 0.7)}, {"ndc": 0}, {"missed": 0}, {"missed": 100}, {"confidence": 1}, {"x": 1}],
)
def test_criteria_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        Criteria(**wrong)
