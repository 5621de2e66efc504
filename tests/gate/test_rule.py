"""Oracle: the rule in words, and a beta-binomial tail summed with SciPy."""

import numpy as np
import pytest
from scipy import stats

from iad.gate.promise import excess_p
from iad.gate.rule import Check, Tolerances, compare, judge, promise_check, relabelled_check
from iad.statistics.pictures import Pictures

TOLERANCES = Tolerances(significance=0.05, ranking=0.01, verdicts=0.02, ranking_limit=0.05, verdicts_limit=0.1)


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
    return Pictures(labels, scores, scores >= 1.645)


def with_scores(former, scores, threshold=1.645):
    return Pictures(former.labels, scores, scores >= threshold)


def rulings(before, after, seed=0):
    checks = compare("m", before, after, TOLERANCES, draws=300, seed=seed)
    return {found.check.measure: str(found.ruling) for found in judge(checks, TOLERANCES.significance)}


def test_noise_fails_no_more_often_than_it_may():
    failed = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        before = pictures(generator)
        after = with_scores(before, before.scores + generator.normal(0, 0.1, len(before.scores)))
        failed += "FAIL" in rulings(before, after, seed).values()
    assert failed <= 3  # of 60 at 5 %


def test_random_scores_fail_in_every_measure_of_ranking():
    generator = np.random.default_rng(0)
    before = pictures(generator)
    found = rulings(before, with_scores(before, generator.permutation(before.scores)))
    assert {found[name] for name in ("AUROC", "AP", "F1", "misses")} == {"FAIL"}


def test_a_threshold_that_rejects_all_fails_by_its_false_alarms_alone():
    before = pictures(np.random.default_rng(0))
    found = rulings(before, with_scores(before, before.scores, threshold=-np.inf))
    assert (found["AUROC"], found["misses"], found["false alarms"]) == ("ok", "better", "FAIL")


def test_new_misses_and_gone_ones_are_counted_apart_and_their_balance_is_tested():
    before = pictures(np.random.default_rng(0))
    rejected = before.rejected.copy()
    caught, passed = (np.flatnonzero((before.labels == 1) & (before.rejected == flag)) for flag in (True, False))
    rejected[caught[:12]], rejected[passed[:2]] = False, True
    after = Pictures(before.labels, before.scores, rejected)
    found = next(c for c in compare("m", before, after, TOLERANCES, draws=0, seed=0) if c.measure == "misses")
    assert (found.change, found.evidence, found.loss) == ("+10", "12 new, 2 gone", 0.05)
    assert found.p == pytest.approx(stats.binomtest(12, 14).pvalue)


def test_one_class_is_compared_by_its_verdicts_alone():
    before = pictures(np.random.default_rng(0), defective=0)
    assert set(rulings(before, with_scores(before, before.scores, threshold=1.5))) == {"false alarms"}


def test_unchanged_results_need_no_test():
    before = pictures(np.random.default_rng(0))
    assert compare("m", before, before, TOLERANCES, draws=300, seed=0) == []


def test_shuffled_labels_pass_the_limit():
    before = pictures(np.random.default_rng(0))
    after = Pictures(np.random.default_rng(1).permutation(before.labels), before.scores, before.rejected)
    assert str(judge([relabelled_check("m", before, after, TOLERANCES)], 0.05)[0].ruling) == "FAIL"


@pytest.mark.parametrize(("k", "good", "rate", "n"), [(12, 177, 0.05, 82), (1, 6, 0.05, 16), (30, 177, 0.05, 411)])
def test_the_p_value_of_an_excess_is_the_tail_of_a_beta_binomial(k, good, rate, n):
    a, b = rate * (n + 1), (1 - rate) * (n + 1)
    assert excess_p(k, good, rate, n) == pytest.approx(stats.betabinom.sf(k - 1, good, a, b), rel=1e-9)
    assert excess_p(k, good, rate) == pytest.approx(stats.binom.sf(k - 1, good, rate), rel=1e-9)


def test_a_kept_promise_is_called_broken_in_at_most_one_of_twenty_where_a_binomial_errs_more():
    # 82 exchangeable scores, the 4th largest as threshold: 4 / 83 of new good parts are rejected on average
    generator = np.random.default_rng(0)
    threshold = np.sort(generator.random((4000, 82)), axis=1)[:, -4]
    alarms = (generator.random((4000, 177)) >= threshold[:, None]).sum(axis=1)
    tails = [np.mean([excess_p(int(k), 177, 4 / 83, n) <= 0.05 for k in alarms]) for n in (82, None)]
    assert tails[0] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)
    assert tails[1] > 0.1


def test_a_broken_promise_fails_and_a_kept_one_passes():
    before = pictures(np.random.default_rng(0))
    everything = with_scores(before, before.scores, threshold=-np.inf)
    for after, ruling in ((before, "ok"), (everything, "FAIL")):
        found = promise_check("m", before, after, TOLERANCES, promised_rate=0.05, n_calibration=400)
        assert str(judge([found], 0.05)[0].ruling) == ruling
