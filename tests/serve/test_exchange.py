"""The test of parts. Oracle of its ranks: of n + T scores of one law, each order is equally likely."""

import json
from collections import Counter
from fractions import Fraction
from itertools import pairwise, permutations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest

from iad.serve.drift.exchange import BETS, HIGHER, LOWER, MORE, ExchangeTest
from iad.serve.drift.wealth import Wealth

ALARM = np.log(1000)


def places_by_counting(n, parts):
    """Exact chances of the places of T parts among n calibration scores, by all orders of n + T scores."""
    found, orders = Counter(), list(permutations(range(n + parts)))
    for order in orders:
        calibration = sorted(order[:n])
        found[tuple(sum(one < part for one in calibration) for part in order[n:])] += 1
    return {places: Fraction(count, len(orders)) for places, count in found.items()}


def places_by_urn(n, places):
    counts, chance = [1] * (n + 1), Fraction(1)
    for place in places:
        chance *= Fraction(counts[place], sum(counts))
        counts[place] += 1
    return chance


@pytest.mark.parametrize(("n", "parts"), [(1, 3), (2, 3), (4, 2), (3, 3)])
def test_the_urn_gives_each_run_of_places_its_exact_chance(n, parts):
    counted = places_by_counting(n, parts)
    assert sum(counted.values()) == 1
    assert counted == {places: places_by_urn(n, places) for places in counted}


def run(calibration, threshold, scores, *, defects=0.03, seed=0):
    test = ExchangeTest(calibration, threshold, defects=defects, seed=seed)
    ranks = np.array([test.see(one) for one in scores])
    return test, ranks


def good_lines(runs, n, parts, seed=0, draw="normal"):
    """Calibration (R, n), a threshold above all but the two highest (R,), and scores (parts, R), all of one law."""
    rng = np.random.default_rng(seed)
    law = {"normal": rng.normal, "ties": lambda size: rng.integers(0, 4, size=size).astype(float)}[draw]
    calibration = law(size=(runs, n))
    return calibration, np.nextafter(np.sort(calibration)[:, -3], np.inf), law(size=(parts, runs))


@pytest.mark.parametrize("draw", ["normal", "ties"])
def test_ranks_of_usual_parts_are_uniform_and_independent(draw):
    calibration, threshold, scores = good_lines(2000, 9, 8, draw=draw)
    _, ranks = run(calibration, threshold, scores)
    usual = ~np.isnan(ranks)
    for step in (0, 7):
        assert kstest(ranks[step][usual[step]], "uniform").pvalue > 0.001
    for one, other in pairwise(range(8)):
        both = usual[one] & usual[other]
        assert abs(np.corrcoef(ranks[one][both], ranks[other][both])[0, 1]) < 4 / np.sqrt(both.sum())


def test_ranks_among_calibration_scores_alone_would_not_be_independent():
    calibration, _, scores = good_lines(2000, 9, 2)
    alone = [(1 + (calibration > one[:, None]).sum(axis=1)) / 10 for one in scores]
    assert np.corrcoef(*alone)[0, 1] > 4 / np.sqrt(2000)


@pytest.mark.parametrize("number", range(len(BETS)))
def test_each_bet_is_fair(number):
    factor = lambda rank: float(np.exp(ExchangeTest._usual_factors(np.array([rank]))[0, number]))  # noqa: E731
    assert quad(factor, 0, 1, limit=200)[0] == pytest.approx(1, abs=1e-6)


def test_good_runs_raise_no_more_alarms_than_stated():
    calibration, threshold, scores = good_lines(1000, 20, 200, seed=3)
    test, _ = run(calibration, threshold, scores)
    assert (test.highest >= ALARM).sum() <= 4  # 1 expected at most; more than 4 in 1,000 come by chance once in 270
    assert (test.highest >= np.log(20)).mean() <= 0.07  # of the rate 1 in 20: within three standard errors
    assert np.exp(test.log).mean() < 1.5  # of a supermartingale from 1


@pytest.mark.parametrize("share", [0.01, 0.03])
def test_defective_parts_at_their_usual_rate_raise_none(share):
    calibration, threshold, scores = good_lines(300, 20, 250, seed=4)
    bad = np.random.default_rng(5).random(scores.shape) < share
    test, _ = run(calibration, threshold, np.where(bad, 99.0, scores))
    assert (test.highest >= ALARM).sum() <= 3


def test_more_defective_parts_than_allowed_for_are_found():
    calibration, threshold, scores = good_lines(20, 200, 600, seed=6)
    bad = np.random.default_rng(7).random(scores.shape) < 0.25
    bad[:200] = False
    test, _ = run(calibration, threshold, np.where(bad, 99.0, scores))
    assert (test.highest >= ALARM).mean() > 0.9
    names, parts = zip(*test.change(), strict=True)
    assert Counter(names).most_common(1)[0][0] == MORE
    assert 150 < np.median(parts) < 260


@pytest.mark.parametrize(("shift", "way"), [(1.5, {HIGHER, MORE}), (-1.5, {LOWER})])
def test_a_shift_after_a_long_good_time_is_found_in_its_direction(shift, way):
    calibration, threshold, scores = good_lines(20, 200, 600, seed=8)
    scores[500:] += shift
    test, _ = run(calibration, threshold, scores)
    assert (test.highest >= ALARM).all()
    names, parts = zip(*test.change(), strict=True)
    assert set(names) <= way
    assert 480 < np.median(parts) < 530


def test_a_test_that_went_through_json_goes_on_as_if_it_had_not():
    calibration, threshold, scores = good_lines(3, 20, 60, draw="ties")
    whole, ranks = run(calibration, threshold, scores)
    half, _ = run(calibration, threshold, scores[:30])
    again = ExchangeTest(calibration, threshold, defects=0.03, seed=0).restore(json.loads(json.dumps(half.state())))
    later = np.array([again.see(one) for one in scores[30:]])
    np.testing.assert_array_equal(later, ranks[30:])
    np.testing.assert_array_equal(again.log, whole.log)
    np.testing.assert_array_equal(again.highest, whole.highest)
    assert again.change() == whole.change()


def test_what_is_remembered_does_not_grow_with_the_parts():
    calibration, threshold, scores = good_lines(1, 20, 400)
    test = ExchangeTest(calibration, threshold, defects=0.03, seed=0)
    sizes = set()
    for score in scores:
        test.see(score)
        state = test.state()
        sizes.add((len(state["counts"][0]), len(state["usual"]["active"][0]), len(state["high"]["active"][0])))
    assert len(sizes) == 1


def test_scores_that_never_end_in_nothing_keep_the_wealth_finite():
    test, _ = run(np.arange(5.0)[None], np.array([4.5]), np.tile([[-1e300], [1e300], [np.inf]], (300, 1)))
    assert np.isfinite(test.log).all()


def test_wealth_starts_at_one_and_fair_bets_keep_it_on_average():
    rng, wealth = np.random.default_rng(0), Wealth(20_000, 2)
    assert wealth.log.tolist() == [0.0] * 20_000
    for _ in range(6):
        factor = np.where(rng.random((20_000, 1)) < 0.5, 1.5, 0.5)
        wealth.step(np.log(np.concatenate([factor, 2 - factor], axis=1)))
    assert np.exp(wealth.log).mean() == pytest.approx(1, abs=0.01)


def test_a_bet_that_lost_all_can_still_win_later():
    wealth = Wealth(1, 1)
    for _ in range(500):
        wealth.step(np.log([[0.1]]))
    before = wealth.log[0]
    for _ in range(40):
        wealth.step(np.log([[2.0]]))
    assert before < 0 < ALARM < wealth.log[0]
    assert wealth.began[0] in range(495, 505)
