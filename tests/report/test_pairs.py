"""Oracle: three methods whose discordant pictures can be counted by hand."""

import numpy as np
import pytest

from iad.errors import IadError
from iad.report.pairs import compare_methods
from iad.statistics.comparison import delong, holm
from tests.outcomes import outcome

LABELS = [0] * 40 + [1] * 40
GOOD = np.linspace(0, 0.6, 40)


def method(name, *, caught, alarms, labels=LABELS):
    """A method that rejects the first `alarms` good and the first `caught` defective pictures, at 0.65."""
    good = np.where(np.arange(40) < alarms, 0.7, GOOD)
    defective = np.where(np.arange(40) < caught, 0.9, 0.1)
    return outcome(labels=labels, scores=np.concatenate([good, defective]), method=name)


def three():
    return [method("a", caught=10, alarms=1), method("b", caught=38, alarms=2), method("c", caught=37, alarms=2)]


def test_the_better_of_two_methods_stands_first_and_the_best_pairs_on_top():
    found = compare_methods(three(), confidence=0.95)
    assert list(dict.fromkeys((one.method, one.against) for one in found)) == [("b", "c"), ("b", "a"), ("c", "a")]
    assert [one.metric for one in found[:3]] == ["auroc", "misses", "false_alarms"]
    assert all(one.difference >= 0 for one in found if one.metric == "auroc")


def test_misses_and_false_alarms_are_those_of_one_method_alone():
    found = {(one.method, one.against, one.metric): one for one in compare_methods(three(), confidence=0.95)}
    misses, alarms = found["b", "a", "misses"], found["b", "a", "false_alarms"]
    assert (misses.only_method, misses.only_against, misses.difference) == (0, 28, -28)
    assert (alarms.only_method, alarms.only_against, alarms.p) == (1, 0, 1.0)
    assert misses.p == pytest.approx(2 / 2**28, rel=1e-5)


def test_holm_corrects_over_all_tests_of_all_pairs():
    found = compare_methods(three(), confidence=0.95)
    assert len(found) == 9
    assert [one.p_holm for one in found] == pytest.approx(holm([one.p for one in found]), rel=1e-5)
    assert {(one.against, one.metric) for one in found if one.real} == {("a", "misses"), ("a", "auroc")}


def test_confidence_decides_what_is_called_real():
    methods = [method("a", caught=31, alarms=0), method("b", caught=39, alarms=0)]
    (misses,) = [one for one in compare_methods(methods, confidence=0.95) if one.metric == "misses"]
    assert 0.01 < misses.p_holm <= 0.05
    assert misses.real
    (misses,) = [one for one in compare_methods(methods, confidence=0.99) if one.metric == "misses"]
    assert not misses.real


def test_the_auroc_difference_is_that_of_delong():
    first, second, _ = three()
    found = compare_methods([first, second], confidence=0.9)[0]
    expected = delong(first.gt_label, second.pred_score, first.pred_score, confidence=0.9)
    assert (found.difference, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high), abs=1e-6
    )


@pytest.mark.parametrize(("label", "metrics"), [(0, {"false_alarms"}), (1, {"misses"})])
def test_pictures_of_one_class_leave_the_test_of_its_verdicts(label, metrics):
    methods = [method(name, caught=9, alarms=3, labels=[label] * 80) for name in "ab"]
    assert {one.metric for one in compare_methods(methods, confidence=0.95)} == metrics


def test_one_method_has_nothing_to_be_compared_with():
    assert compare_methods(three()[:1], confidence=0.95) == []


def test_methods_tested_on_other_pictures_are_refused():
    first, second, _ = three()
    strange = outcome(labels=LABELS, scores=second.pred_score, method="b", image_id=second.image_id[::-1])
    with pytest.raises(IadError, match=r"^a and b were tested on other pictures or labels"):
        compare_methods([first, strange], confidence=0.95)
