"""Agreement of verdicts. The oracle is the attribute study of the manual, as far as its cross-tabulations tell it.

AIAG, "Measurement Systems Analysis", 4th edition (2010), chapter III, section C: 50 parts, appraisers A, B and C, three
trials. Its 450 single verdicts are not at hand; the cross-tabulations give kappa, miss and false-alarm rates, and its
numbers of parts the effectiveness with intervals.
"""

import numpy as np
import pytest

from iad.acceptance.agreement import Share, agreement
from iad.acceptance.kappa import cohen, fleiss

# both reject, the first alone, the second alone, both pass: 150 verdicts each
CROSS_TABULATIONS = {
    "A x B": (44, 6, 3, 97, 0.86),
    "B x C": (42, 5, 9, 94, 0.79),
    "A x C": (43, 7, 8, 92, 0.78),
    "A x reference": (45, 5, 3, 97, 0.88),
    "B x reference": (45, 2, 3, 100, 0.92),
    "C x reference": (42, 9, 6, 93, 0.77),
}


def verdicts_of(name):
    *counts, printed = CROSS_TABULATIONS[name]
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts), printed


@pytest.mark.parametrize("name", CROSS_TABULATIONS)
def test_the_manuals_kappas_are_reproduced_to_their_last_digit(name):
    first, second, printed = verdicts_of(name)
    assert round(cohen(first, second, np.arange(150), 0.95).value, 2) == printed


@pytest.mark.parametrize(("appraiser", "miss", "alarm"), [("A", 6.3, 4.9), ("B", 6.3, 2.0), ("C", 12.5, 8.8)])
def test_the_manuals_rates_of_misses_and_false_alarms_are_reproduced(appraiser, miss, alarm):
    rejected, bad, _ = verdicts_of(f"{appraiser} x reference")
    found = agreement(rejected, np.arange(150).astype(str).tolist(), None, bad, 0.95).together.reference
    rates = [100 * count / total for count, total in (found.missed_pictures, found.false_alarm_pictures)]
    assert [int(10 * rate + 0.5) / 10 for rate in rates] == [miss, alarm]  # 6.25 is printed as 6.3


@pytest.mark.parametrize(("right", "printed"), [(42, (84, 71, 93)), (45, (90, 78, 97)), (40, (80, 66, 90))])
def test_the_manuals_effectiveness_is_reproduced_with_its_interval(right, printed):
    found = Share.of(np.arange(50) < right, 0.95)
    shares = (found.count / found.total, found.interval.low, found.interval.high)
    assert tuple(round(100 * share) for share in shares) == printed


def fleiss_by_hand(table):
    """Fleiss (1971), of counts (parts, 2) with equal sums."""
    n, parts = table[0].sum(), len(table)
    agree = ((table**2).sum(1) - n) / (n * (n - 1))
    chance = ((table.sum(0) / (n * parts)) ** 2).sum()
    return (agree.mean() - chance) / (1 - chance)


def test_with_as_many_verdicts_on_each_part_it_is_fleiss_own_kappa():
    rng = np.random.default_rng(0)
    for _ in range(20):
        verdicts = rng.random((12, 4)) < rng.random((12, 1))
        table = np.stack([verdicts.sum(1), 4 - verdicts.sum(1)], axis=1)
        found = fleiss(verdicts.ravel(), np.repeat(np.arange(12), 4), 0.95)
        assert found.value == pytest.approx(fleiss_by_hand(table))


def test_a_part_with_one_verdict_says_nothing_about_repetition():
    verdicts, parts = np.array([True, True, False, False, True]), np.array([0, 0, 1, 1, 2])
    assert fleiss(verdicts, parts, 0.95) == fleiss(verdicts[:4], parts[:4], 0.95)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    # 40 parts, three pictures each; a verdict is right with 90 %, and wrong for a whole part with 10 %
    rng, found, values = np.random.default_rng(1), [], []
    parts = np.repeat(np.arange(40), 3)
    for _ in range(400):
        bad = np.repeat(rng.random(40) < 0.5, 3)
        wrong = np.repeat(rng.random(40) < 0.1, 3) | (rng.random(120) < 0.05)
        kappa = cohen(bad ^ wrong, bad, parts, 0.95)
        found.append((kappa.low, kappa.high))
        values.append(kappa.value)
    truth = 1 - 2 * (0.1 + 0.9 * 0.05)  # classes are equally likely, so chance agrees in half
    low, high = np.array(found).T
    assert np.mean(values) == pytest.approx(truth, abs=0.02)
    assert 0.9 <= np.mean((low <= truth) & (truth <= high)) <= 0.98


def test_repeated_pictures_of_the_same_parts_do_not_narrow_the_interval():
    bad = np.arange(30) < 15
    rejected = bad ^ (np.arange(30) % 7 == 0)
    once = cohen(rejected, bad, np.arange(30), 0.95)
    often = cohen(np.repeat(rejected, 10), np.repeat(bad, 10), np.repeat(np.arange(30), 10), 0.95)
    assert (often.value, often.low, often.high) == pytest.approx((once.value, once.low, once.high))


def test_perfect_agreement_still_has_an_interval():
    bad = np.arange(20) < 10
    found = cohen(bad, bad, np.arange(20), 0.95)
    assert (found.value, found.high) == (1, 1)
    assert 0.6 < found.low < 0.7  # 0.025^(1/20) = 0.832 of the parts, and chance agrees in half
    assert cohen(np.repeat(bad, 3), np.repeat(bad, 3), np.repeat(np.arange(20), 3), 0.95).low == pytest.approx(
        found.low
    )


def test_verdicts_that_are_all_the_same_have_no_kappa():
    same = np.ones(6, dtype=bool)
    assert cohen(same, same, np.arange(6), 0.95).value is None
    assert fleiss(same, np.array([0, 0, 1, 1, 2, 2]), 0.95).value is None


def test_where_one_part_decides_there_is_no_interval():
    found = cohen(np.array([True, True, False]), np.array([True, False, False]), np.array([0, 0, 0]), 0.95)
    assert found.value is not None
    assert found.low is None


def test_appraisers_are_compared_trial_by_trial_and_with_the_reference():
    # parts a (bad) and b (good), two trials each by x and y; y passes a once and rejects b always
    parts, operators = list("aabbaabb"), list("xxxxyyyy")
    rejected = np.array([1, 1, 0, 0, 1, 0, 1, 1], dtype=bool)
    bad = np.array([1, 1, 0, 0, 1, 1, 0, 0], dtype=bool)
    found = agreement(rejected, parts, operators, bad, 0.95)
    x, y = found.appraisers
    assert (x.name, x.consistent.count, x.reference.correct.count, x.reference.kappa.value) == ("x", 2, 2, 1.0)
    assert (y.name, y.consistent.count, y.reference.correct.count) == ("y", 1, 0)
    assert y.reference.missed_pictures == (1, 2)
    assert y.reference.false_alarm_pictures == (2, 2)
    assert (y.reference.missed.count, y.reference.missed.total) == (1, 1)
    assert found.together.reference.missed.count == 1
    ((one, other, kappa),) = found.pairs
    assert (one, other) == ("x", "y")
    assert kappa.value == pytest.approx(cohen(rejected[:4], rejected[4:], np.array([0, 0, 1, 1]), 0.95).value)


def test_without_a_reference_nothing_is_said_of_one():
    found = agreement(np.array([True, False]), list("aa"), None, None, 0.95)
    assert found.together.reference is None
    assert found.together.consistent.count == 0
