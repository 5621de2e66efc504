"""Oracle: the rule in words."""

import numpy as np
import pytest
from scipy import stats

from iad.config import Gate, Losses
from iad.gate.rule import Check, compare, judge, relabelled_check
from iad.metrics.confusion import Verdicts

OPTIONS = Gate(tolerated=Losses(ranking=0.01, verdicts=0.02), limit=Losses(ranking=0.05, verdicts=0.1))


def check(loss, p, *, tolerated=0.01, limit=0.05):
    return Check("m", "AUROC", "", "", "", "", loss, p, tolerated, tolerated, limit)


@pytest.mark.parametrize(
    ("loss", "p", "ruling"),
    [
        (0.03, 0.001, "FAIL"),  # significant, more than tolerated
        (0.03, 0.3, "warning"),  # large, but chance may explain it: told
        (0.06, 0.9, "FAIL"),  # above the limit whatever the test says
        (0.06, None, "FAIL"),
        (0.03, None, "warning"),
        (0.005, 0.001, "tolerated"),
        (0.005, 0.5, "ok"),
        (-0.03, 0.001, "better"),
        (-0.03, 0.5, "ok"),
        (0.95 - 0.90, 0.9, "warning"),  # 0.04999999999999993 and 0.05000000000000004 are both the limit itself
        (0.30 - 0.25, 0.9, "warning"),
    ],
)
def test_the_rule_is_limit_then_significance_then_size(loss, p, ruling):
    assert [str(finding.ruling) for finding in judge([check(loss, p)], 0.05)] == [ruling]


def test_a_p_value_that_fails_alone_does_not_fail_among_many_methods():
    many = judge([check(0.03, 0.01)] + [check(0.0, 0.5)] * 9, 0.05)
    assert str(judge([check(0.03, 0.01)], 0.05)[0].ruling) == "FAIL"
    assert str(many[0].ruling) == "warning"
    assert many[0].adjusted_p == pytest.approx(0.1)


def pictures(generator, *, good=150, defective=200, separation=2.0):
    labels = np.repeat([0, 1], [good, defective])
    scores = generator.normal(size=len(labels)) + separation * labels
    return Verdicts(labels, scores, scores >= 1.645)


def with_scores(former, scores, threshold=1.645):
    return Verdicts(former.gt_label, scores, scores >= threshold)


def rulings(before, after, seed=0):
    checks = compare("m", before, after, OPTIONS, draws=300, seed=seed)
    return {found.check.measure: str(found.ruling) for found in judge(checks, OPTIONS.significance)}


def test_noise_fails_no_more_often_than_it_may():
    failed = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        before = pictures(generator)
        after = with_scores(before, before.pred_score + generator.normal(0, 0.1, len(before.pred_score)))
        failed += "FAIL" in rulings(before, after, seed).values()
    assert failed <= 3  # of 60 at 5 %


def test_random_scores_fail_in_every_measure_of_ranking():
    generator = np.random.default_rng(0)
    before = pictures(generator)
    found = rulings(before, with_scores(before, generator.permutation(before.pred_score)))
    assert {found[name] for name in ("AUROC", "AP", "F1", "misses")} == {"FAIL"}


def test_a_threshold_that_rejects_all_fails_by_its_false_alarms_alone():
    before = pictures(np.random.default_rng(0))
    found = rulings(before, with_scores(before, before.pred_score, threshold=-np.inf))
    assert (found["AUROC"], found["misses"], found["false alarms"]) == ("ok", "better", "FAIL")


def test_new_misses_and_gone_ones_are_counted_apart_and_their_balance_is_tested():
    before = pictures(np.random.default_rng(0))
    rejected = before.rejected.copy()
    caught, passed = (np.flatnonzero((before.gt_label == 1) & (before.rejected == flag)) for flag in (True, False))
    rejected[caught[:12]], rejected[passed[:2]] = False, True
    after = Verdicts(before.gt_label, before.pred_score, rejected)
    found = next(c for c in compare("m", before, after, OPTIONS, draws=0, seed=0) if c.measure == "misses")
    assert (found.change, found.evidence, found.loss) == ("+10", "12 new, 2 gone", 0.05)
    assert found.p == pytest.approx(stats.binomtest(12, 14).pvalue)


def test_one_class_is_compared_by_its_verdicts_alone():
    before = pictures(np.random.default_rng(0), defective=0)
    assert set(rulings(before, with_scores(before, before.pred_score, threshold=1.5))) == {"false alarms"}


def test_unchanged_results_need_no_test():
    before = pictures(np.random.default_rng(0))
    assert compare("m", before, before, OPTIONS, draws=300, seed=0) == []


def test_shuffled_labels_pass_the_limit():
    before = pictures(np.random.default_rng(0))
    after = Verdicts(np.random.default_rng(1).permutation(before.gt_label), before.pred_score, before.rejected)
    assert str(judge([relabelled_check("m", before, after, OPTIONS)], 0.05)[0].ruling) == "FAIL"
