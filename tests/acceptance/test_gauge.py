"""Gauge R&R. The oracle is the worked example of the manual: ten parts, three appraisers, three trials."""

import numpy as np
import pytest

from iad.acceptance.gauge import gauge_rr, require_design
from iad.errors import IadError

# AIAG, "Measurement Systems Analysis", 4th edition (2010), chapter III, section B: its gauge study, which is
# also Minitab's sample file GAGEAIAG.MTW. Rows: parts 1 to 10; columns: A, B, C with three trials each
AIAG = np.array([
    [0.29, 0.41, 0.64, 0.08, 0.25, 0.07, 0.04, -0.11, -0.15],
    [-0.56, -0.68, -0.58, -0.47, -1.22, -0.68, -1.38, -1.13, -0.96],
    [1.34, 1.17, 1.27, 1.19, 0.94, 1.34, 0.88, 1.09, 0.67],
    [0.47, 0.50, 0.64, 0.01, 1.03, 0.20, 0.14, 0.20, 0.11],
    [-0.80, -0.92, -0.84, -0.56, -1.20, -1.28, -1.46, -1.07, -1.45],
    [0.02, -0.11, -0.21, -0.20, 0.22, 0.06, -0.29, -0.67, -0.49],
    [0.59, 0.75, 0.66, 0.47, 0.55, 0.83, 0.02, 0.01, 0.21],
    [-0.31, -0.20, -0.17, -0.63, 0.08, -0.34, -0.46, -0.56, -0.49],
    [2.26, 1.99, 2.01, 1.80, 2.12, 2.19, 1.77, 1.45, 1.87],
    [-1.36, -1.25, -1.31, -1.68, -1.62, -1.50, -1.49, -1.77, -2.16],
])  # fmt: skip
PARTS = np.repeat([f"{part:02d}" for part in range(1, 11)], 9).tolist()
APPRAISERS = np.tile(np.repeat(list("ABC"), 3), 10).tolist()


@pytest.fixture(scope="module")
def example():
    return gauge_rr(AIAG.ravel(), PARTS, APPRAISERS, tolerance=8)


def test_the_manuals_analysis_of_variance_is_reproduced_to_its_last_digit(example):
    printed = {
        "operator": (2, 3.1673, 1.58363, 34.44),
        "part": (9, 88.3619, 9.81799, 213.52),
        "part x operator": (18, 0.3590, 0.01994, 0.434),
        "repeatability": (60, 2.7589, 0.04598, None),
        "total": (89, 94.6471, 1.06345, None),
    }
    digits = {"part x operator": 3}
    found = {
        one.name: (
            one.df, round(one.ss, 4), round(one.ms, 5), None if one.f is None else round(one.f, digits.get(one.name, 2))
        )
        for one in example.sources
    }  # fmt: skip
    assert found == printed
    assert round(example.sources[2].p, 3) == 0.974
    assert example.pooled


def test_the_manuals_spreads_are_reproduced_to_their_last_digit(example):
    # sigma; %contribution and %total variation with one digit, as the manual prints them, and with two, as Minitab does
    printed = {
        "repeatability": (0.199933, 3.4, 18.4, 3.39, 18.42),
        "reproducibility": (0.226838, 4.4, 20.9, 4.37, 20.90),
        "part x operator": (0.0, 0.0, 0.0, 0.0, 0.0),
        # the manual prints 0.302373; the root of the squares of its own two lines above is 0.302372
        "gauge R&R": (0.302372, 7.8, 27.9, 7.76, 27.86),
        "part to part": (1.042327, 92.2, 96.0, 92.24, 96.04),
    }
    found = {}
    for name, one in example.components.items():
        percents = [100 * one.contribution, 100 * one.study]
        found[name] = (round(one.sigma, 6), *(round(value, 1) for value in percents), *(round(v, 2) for v in percents))
    total = found.pop("total")
    assert found == printed
    assert total[0] == pytest.approx(1.085, abs=0.0005)  # the manual prints three digits


def test_the_share_of_a_tolerance_is_six_sigma_over_it(example):
    for one in example.components.values():
        assert one.tolerance == pytest.approx(6 * one.sigma / 8)
    assert gauge_rr(AIAG.ravel(), PARTS, APPRAISERS).components["gauge R&R"].tolerance is None


def test_the_number_of_distinct_categories_is_cut_to_a_whole_number(example):
    assert example.ndc == 4
    assert example.ndc_exact == pytest.approx(4.861, abs=0.001)  # the manual divides rounded numbers


def test_the_order_of_pictures_changes_nothing(example):
    order = np.random.default_rng(0).permutation(90)
    shuffled = gauge_rr(
        AIAG.ravel()[order], [PARTS[i] for i in order], [APPRAISERS[i] for i in order], tolerance=8
    )  # fmt: skip
    for name, one in example.components.items():
        assert shuffled.components[name].sigma == pytest.approx(one.sigma, rel=1e-9)


def simulated(rng, *, part, operator, both, error, shape=(10, 3, 3)):
    n, k, _ = shape
    spread = rng.normal(0, part, (n, 1, 1)) + rng.normal(0, operator, (1, k, 1)) + rng.normal(0, both, (n, k, 1))
    cube = spread + rng.normal(0, error, shape)
    labels = np.indices(shape)[:2].reshape(2, -1).astype(str).tolist()
    return cube.ravel(), *labels


def test_variances_come_out_right_on_average():
    rng, truth = np.random.default_rng(0), {"part": 2.0, "operator": 0.8, "both": 0.6, "error": 0.4}
    runs = [gauge_rr(*simulated(rng, **truth, shape=(12, 4, 3))).components for _ in range(400)]
    for name, key in (("repeatability", "error"), ("reproducibility", "operator"), ("part x operator", "both")):
        assert np.mean([run[name].sigma ** 2 for run in runs]) == pytest.approx(truth[key] ** 2, rel=0.1)
    assert np.mean([run["part to part"].sigma ** 2 for run in runs]) == pytest.approx(4.0, rel=0.1)


def test_an_interaction_that_is_there_is_kept():
    scores, parts, operators = simulated(np.random.default_rng(1), part=1, operator=0.2, both=1.5, error=0.1)
    found = gauge_rr(scores, parts, operators)
    assert not found.pooled
    assert found.components["part x operator"].sigma > 10 * found.components["repeatability"].sigma


def test_one_way_repetitions_give_the_pooled_spread_within_parts():
    scores = np.array([1.0, 3.0, 10.0, 14.0, 20.0, 20.0])
    found = gauge_rr(scores, list("aabbcc"))
    within = np.mean([np.var([1, 3], ddof=1), np.var([10, 14], ddof=1), 0])
    assert found.components["repeatability"].sigma == pytest.approx(np.sqrt(within))
    between = np.var([2, 12, 20], ddof=1)
    assert found.components["part to part"].sigma == pytest.approx(np.sqrt(between - within / 2))
    assert found.means == {"a": 2, "b": 12, "c": 20}


def test_one_way_parts_may_have_different_numbers_of_pictures():
    rng, parts = np.random.default_rng(2), np.repeat(np.arange(8), [1, 2, 3, 5, 2, 2, 4, 3])
    names = parts.astype(str).tolist()
    runs = [gauge_rr(rng.normal(0, 1, 8)[parts] + rng.normal(0, 0.5, len(parts)), names) for _ in range(1000)]
    assert np.mean([run.components["repeatability"].sigma ** 2 for run in runs]) == pytest.approx(0.25, rel=0.05)
    assert np.mean([run.components["part to part"].sigma ** 2 for run in runs]) == pytest.approx(1.0, rel=0.08)


def test_repetitions_that_never_differ_have_no_number_of_categories():
    found = gauge_rr(np.array([1.0, 1.0, 2.0, 2.0]), list("aabb"))
    assert found.ndc is None
    assert found.components["gauge R&R"].sigma == 0
    assert found.sources[0].f is None


def test_parts_that_do_not_differ_are_one_category():
    found = gauge_rr(np.array([1.0, 2.0, 2.0, 1.0]), list("aabb"))
    assert (found.ndc, found.components["gauge R&R"].study) == (1, 1.0)


@pytest.mark.parametrize(
    ("parts", "operators", "match"),
    [
        ("aaa", None, "all pictures show part a"),
        ("abc", None, "fewer than 2 parts have more than one picture"),
        ("aabc", None, "fewer than 2 parts have more than one picture"),
        ("aabb", "xxxx", "all pictures are by x"),
        ("aabb", "xyxy", "no repetition"),
        ("aaaabbbba", "xxyyxxyyx", "x has 3 pictures of part a"),
        ("aabb", "xxyy", "y has no picture of part a"),
    ],
)
def test_a_design_that_shows_nothing_is_refused_in_a_line(parts, operators, match):
    with pytest.raises(IadError, match=match) as caught:
        require_design(list(parts), None if operators is None else list(operators))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("score", "match"), [(1.0, "every picture has the score 1"), (np.nan, "not finite")])
def test_scores_without_a_spread_are_refused(score, match):
    with pytest.raises(IadError, match=match):
        gauge_rr(np.full(4, score), list("aabb"))
