"""Oracles: all orders of a few scores, all choices of two test pictures, and a beta-binomial tail summed with SciPy."""

from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from iad.config import Gate, Losses
from iad.decision.conformal import conformal, maximum
from iad.gate.promise import Promise, beta_binomial_p, mean_rate_p, promise_check
from iad.gate.results import MethodResults
from iad.gate.rule import judge

OPTIONS = Gate(tolerated=Losses(ranking=0.01, verdicts=0.02), limit=Losses(ranking=0.05, verdicts=0.1))


@pytest.mark.parametrize(("n", "good", "k"), [(4, 3, 1), (5, 4, 2), (9, 3, 3), (3, 5, 1)])
def test_of_exchangeable_scores_the_p_value_is_the_share_of_their_orders(n, good, k):
    # only which ranks the calibration pictures hold matters, and every choice is equally likely
    ranks = range(n + good)
    alarms = [
        sum(test > sorted(calibration)[-k] for test in ranks if test not in calibration)
        for calibration in map(set, combinations(ranks, n))
    ]
    for count in range(good + 1):
        share = Fraction(sum(alarm >= count for alarm in alarms), comb(n + good, n))
        assert beta_binomial_p(count, good, k / (n + 1), n) == pytest.approx(float(share), rel=1e-12)


@pytest.mark.parametrize("scheme", ["split", "held_out"])
def test_the_thresholds_that_promise_follow_that_law(scheme):
    # every order of six scores, of which four calibrate: at alpha = 2/5 the second largest of them is the threshold
    for strategy, k, options in ((conformal, 2, {"alpha": 0.4}), (maximum, 1, {"alpha": 0.4})):
        alarms = []
        for chosen in combinations(range(6), 4):
            made = strategy(np.array(chosen, dtype=float), scheme, **options)
            assert made.guaranteed
            assert made.promised_rate == k / 5
            alarms.append(sum(test >= made.value for test in range(6) if test not in chosen))
        for count in (1, 2):
            assert np.mean([alarm >= count for alarm in alarms]) == pytest.approx(beta_binomial_p(count, 2, k / 5, 4))


@pytest.mark.parametrize(("k", "good", "rate", "n"), [(12, 177, 0.05, 82), (1, 6, 0.05, 16), (170, 177, 0.05, 411)])
def test_the_tail_is_exact_however_small(k, good, rate, n):
    law = stats.betabinom(good, rate * (n + 1), (1 - rate) * (n + 1))
    assert beta_binomial_p(k, good, rate, n) == pytest.approx(law.pmf(np.arange(k, good + 1)).sum(), rel=1e-9)


def test_a_kept_promise_is_called_broken_in_at_most_one_of_twenty_where_a_binomial_errs_more():
    # 82 exchangeable scores, the 4th largest as threshold: 4 / 83 of new good pictures are rejected on average
    generator = np.random.default_rng(0)
    threshold = np.sort(generator.random((4000, 82)), axis=1)[:, -4]
    alarms = (generator.random((4000, 177)) >= threshold[:, None]).sum(axis=1)
    broken = np.mean([beta_binomial_p(int(count), 177, 4 / 83, 82) <= 0.05 for count in alarms])
    assert broken <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)
    assert np.mean(stats.binom.sf(alarms - 1, 177, 4 / 83) <= 0.05) > 0.1


def false_alarms_of_twins(pairs):
    """For every choice of two test pictures among twins: how many of both a leave-one-out maximum rejects."""
    generator = np.random.default_rng(0)
    centres = 100.0 * np.arange(pairs)
    places = np.concatenate([centres, centres + generator.uniform(0.1, 1, pairs)])
    distance = np.abs(places[:, None] - places)
    np.fill_diagonal(distance, np.inf)
    counts = []
    for test in combinations(range(2 * pairs), 2):
        bank = [row for row in range(2 * pairs) if row not in test]
        calibration = distance[np.ix_(bank, bank)].min(axis=1)
        threshold = maximum(calibration, "leave_one_out", alpha=0.5)
        assert threshold.promised_rate == 1 / (len(bank) + 1)
        counts.append(int((distance[np.ix_(test, bank)].min(axis=1) >= threshold.value).sum()))
    return np.array(counts), len(bank)


def test_of_leave_one_out_scores_the_mean_rate_is_proven_and_the_beta_binomial_law_is_not_theirs():
    counts, n = false_alarms_of_twins(6)
    assert counts.mean() <= 2 / (n + 1) + 1e-12  # the promise holds on average
    both = (counts == 2).mean()
    assert both == pytest.approx(1 / (n + 1))
    assert mean_rate_p(2, 2, 1 / (n + 1)) == pytest.approx(both)  # Markov's bound is reached
    assert beta_binomial_p(2, 2, 1 / (n + 1), n) == pytest.approx(2 / ((n + 1) * (n + 2)))
    assert beta_binomial_p(2, 2, 1 / (n + 1), n) < both / 5


def method(false_alarms, *, good=200, rate=0.05, guaranteed=True, scheme="split", n=400):
    """A method with so many false alarms among `good` pictures, and what its threshold says of itself."""
    labels = np.repeat([0, 1], [good, 10])
    rejected = np.arange(good + 10) < false_alarms
    scores = pd.DataFrame({"label": labels, "score": rejected.astype(float), "rejected": rejected})
    record = {"promised_rate": rate, "guaranteed": guaranteed, "scheme": scheme, "n_calibration": n}
    return MethodResults(scores, {}, record)


def ruling(before, after):
    (finding,) = judge([promise_check("m", before, after, OPTIONS)], 0.05)
    return str(finding.ruling)


def test_a_promise_that_is_newly_broken_fails_and_a_kept_one_passes():
    assert ruling(method(10), method(10)) == "ok"
    assert ruling(method(10), method(30)) == "FAIL"
    assert ruling(None, method(30)) == "FAIL"
    assert ruling(method(9), method(16)) == "warning"  # 8 %, which 400 and 200 pictures may show by chance


def test_a_miss_that_the_revision_had_does_not_fail_and_what_got_worse_does():
    assert ruling(method(30), method(30)) == "warning"
    assert ruling(method(40), method(30)) == "warning"
    assert ruling(method(30), method(31)) == "warning"  # one picture more is another machine's rounding
    assert ruling(method(30), method(34)) == "warning"  # gate.tolerated.verdicts is 2 %
    assert ruling(method(30), method(35)) == "FAIL"


def test_a_miss_is_measured_from_what_each_revision_promised():
    assert ruling(method(12, rate=0.1), method(12, rate=0.01)) == "FAIL"
    assert ruling(method(12, rate=0.01), method(12, rate=0.01)) == "warning"
    # the number of test pictures may differ: 6 % of 200 and of 1000 are the same miss
    assert ruling(method(12, rate=0.01), method(60, rate=0.01, good=1000)) == "warning"


@pytest.mark.parametrize("scheme", ["jackknife", "k_fold", "split"])
def test_a_rate_that_is_aimed_at_is_never_tested(scheme):
    given = {"guaranteed": False, "scheme": scheme}
    check = promise_check("m", method(10, **given), method(200, **given), OPTIONS)
    assert check.p is None
    assert check.evidence == "aimed at 5 % from 400"
    assert ruling(method(10, **given), method(200, **given)) == "warning"
    assert ruling(None, method(13, **given)) == "ok"  # 6.5 %: within gate.tolerated.verdicts


def test_leave_one_out_is_tested_by_its_mean_rate_alone():
    check = promise_check("m", method(1, scheme="leave_one_out"), method(40, scheme="leave_one_out"), OPTIONS)
    assert check.p == pytest.approx(0.05 * 200 / 40)
    assert ruling(method(1, scheme="leave_one_out"), method(40, scheme="leave_one_out")) == "warning"
    # a maximum promises little, and many false alarms belie it
    assert ruling(None, method(40, rate=1 / 401, scheme="leave_one_out")) == "FAIL"


def test_a_proven_rate_of_an_unknown_scheme_or_number_is_tested_by_its_mean():
    for given in ({"scheme": "of tomorrow"}, {"n": None}):
        assert promise_check("m", None, method(40, **given), OPTIONS).p == pytest.approx(0.25)


@pytest.mark.parametrize("record", [{}, {"promised_rate": None}, {"promised_rate": 0.0}, {"promised_rate": "5 %"}])
def test_without_a_rate_there_is_no_promise(record):
    assert Promise.of_record(record) is None


def test_without_a_good_picture_there_is_no_check():
    assert promise_check("m", None, method(0, good=0), OPTIONS) is None
    assert promise_check("m", method(0, good=0), method(10), OPTIONS).before == "-"
