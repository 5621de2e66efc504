"""Oracle: a slow bootstrap that copies every drawn picture and measures each test set with scikit-learn."""

from statistics import NormalDist

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from iad.metrics.image import auroc, average_precision
from iad.statistics import bootstrap as intervals
from iad.statistics.bootstrap import bootstrap_intervals, bootstrap_samples, draw_weights, interval_of_rates
from iad.statistics.exact import Interval, clopper_pearson


def slow_samples(labels, scores, rejected, weights):
    drawn = [[np.repeat(column, counts) for column in (labels, scores, rejected)] for counts in weights]
    return {
        "auroc": [roc_auc_score(y, s) for y, s, _ in drawn],
        "average_precision": [average_precision_score(y, s) for y, s, _ in drawn],
        "f1": [f1_score(y, r, zero_division=0) for y, _, r in drawn],
        "precision": [precision_score(y, r, zero_division=0) for y, _, r in drawn],
        "recall": [recall_score(y, r) for y, _, r in drawn],
        "false_alarm_rate": [1 - recall_score(y, r, pos_label=0) for y, _, r in drawn],
        "balanced_accuracy": [balanced_accuracy_score(y, r) for y, _, r in drawn],
    }


def pictures(good, defective, *, shift=1.0, seed=0, decimals=1):
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.array([0] * good + [1] * defective))
    return labels, (generator.normal(size=good + defective) + shift * labels).round(decimals)  # rounded: with ties


def test_every_draw_is_measured_like_the_slow_bootstrap():
    labels, scores = pictures(25, 35)
    rejected = scores >= 0.8
    (weights,) = draw_weights(labels, draws=60, seed=3)
    found = bootstrap_samples(labels, scores, rejected, draws=60, seed=3)
    expected_samples = slow_samples(labels, scores, rejected, weights)
    assert set(found) == set(expected_samples)
    for name, expected in expected_samples.items():
        np.testing.assert_allclose(found[name], expected, atol=1e-12)


def test_verdicts_that_are_no_cut_of_the_scores_are_counted_as_given():
    labels, scores = pictures(20, 20)
    rejected = np.random.default_rng(1).random(40) < 0.5
    (weights,) = draw_weights(labels, draws=20, seed=0)
    found = bootstrap_samples(labels, scores, rejected, draws=20, seed=0)["f1"]
    np.testing.assert_allclose(found, slow_samples(labels, scores, rejected, weights)["f1"], atol=1e-12)


def test_every_draw_keeps_the_size_of_each_class():
    labels, _ = pictures(7, 13)
    (weights,) = draw_weights(labels, draws=500, seed=0)
    assert set(weights[:, labels == 0].sum(axis=1)) == {7}
    assert set(weights[:, labels == 1].sum(axis=1)) == {13}
    assert weights.mean(axis=0) == pytest.approx(np.ones(20), abs=5 / np.sqrt(500))


def test_two_methods_get_the_same_draws_picture_by_picture():
    labels, scores = pictures(30, 30)
    generator = np.random.default_rng(5)
    equal_ranks, rows = np.exp(scores), generator.permutation(60)
    first = bootstrap_samples(labels, scores, scores >= 1, draws=50, seed=0)
    second = bootstrap_samples(labels, equal_ranks, scores >= 1, draws=50, seed=0)
    np.testing.assert_array_equal(first["auroc"], second["auroc"])
    other_pictures = bootstrap_samples(labels[rows], scores[rows], scores[rows] >= 1, draws=50, seed=0)
    assert not np.array_equal(first["auroc"], other_pictures["auroc"])


def test_the_seed_alone_decides_the_interval():
    labels, scores = pictures(40, 40)
    settings = {"draws": 200, "confidence": 0.9}
    found = [bootstrap_intervals(labels, scores, scores >= 1, seed=seed, **settings) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_draws_in_several_chunks_are_all_there_and_look_like_one_chunk(monkeypatch):
    labels, scores = pictures(40, 60)
    whole = bootstrap_samples(labels, scores, scores >= 1, draws=1000, seed=0)["auroc"]
    monkeypatch.setattr(intervals, "CHUNK_WEIGHTS", 100 * 64)
    chunks = list(draw_weights(labels, draws=1000, seed=0))
    assert [len(weights) for weights in chunks] == [64] * 15 + [40]
    parts = bootstrap_samples(labels, scores, scores >= 1, draws=1000, seed=0)["auroc"]
    assert len(parts) == 1000
    assert parts.std() == pytest.approx(whole.std(), rel=0.15)


def test_the_estimate_lies_in_its_interval_and_confidence_widens_it():
    labels, scores = pictures(50, 80, decimals=6)
    narrow, wide = (
        bootstrap_intervals(labels, scores, scores >= 1, draws=500, confidence=confidence, seed=0)
        for confidence in (0.5, 0.99)
    )
    for name, estimate in (("auroc", auroc(labels, scores)), ("average_precision", average_precision(labels, scores))):
        assert wide[name].low < narrow[name].low < estimate < narrow[name].high < wide[name].high


def intervals_at(labels, scores, threshold, **changes):
    settings = {"draws": 200, "confidence": 0.95, "seed": 0} | changes
    return bootstrap_intervals(labels, scores, scores >= threshold, **settings)


def test_intervals_come_from_the_draws_where_these_differ():
    labels, scores = pictures(25, 35)
    assert {found.method for found in intervals_at(labels, scores, 0.8).values()} == {"bootstrap"}


def test_no_false_alarm_leaves_the_rate_and_the_precision_an_exact_interval():
    labels, scores = pictures(25, 35, shift=2.0)
    found = intervals_at(labels, scores, scores[labels == 0].max() + 0.1)
    assert found["false_alarm_rate"] == clopper_pearson(0, 25, 0.95)
    assert {found[name].method for name in ("precision", "f1", "balanced_accuracy")} == {"clopper_pearson_of_rates"}
    assert (found["precision"].low < 1, found["precision"].high) == (True, 1.0)
    assert {found[name].method for name in ("recall", "auroc", "average_precision")} == {"bootstrap"}


def test_perfect_verdicts_have_an_interval_with_a_width():
    labels, scores = np.array([0] * 21 + [1] * 61), np.arange(82.0)
    found = intervals_at(labels, scores, 21)
    assert all(interval.low < interval.high == 1 for name, interval in found.items() if name != "false_alarm_rate")
    recall, alarms = clopper_pearson(61, 61, 0.95).low, clopper_pearson(0, 21, 0.95).high
    assert found["balanced_accuracy"].low == pytest.approx((recall + 1 - alarms) / 2)
    assert found["precision"].low == pytest.approx(61 * recall / (61 * recall + 21 * alarms))
    assert found["f1"].low == pytest.approx(2 * 61 * recall / (61 * recall + 21 * alarms + 61))
    assert found["auroc"] == Interval(clopper_pearson(21, 21, 0.95).low, 1.0, "disjoint_pairs")
    assert "average_precision" not in found


def test_a_ranking_that_is_all_wrong_has_an_interval_with_a_width():
    found = intervals_at(np.array([1] * 9 + [0] * 9), np.arange(18.0), 30)
    assert (found["auroc"].low, found["auroc"].high) == (0, pytest.approx(1 - 0.025 ** (1 / 9)))


@pytest.mark.parametrize("threshold", [-10, 10], ids=["all rejected", "none rejected"])
def test_trivial_verdicts_have_intervals_with_a_width(threshold):
    labels, scores = pictures(15, 25)
    for name in ("f1", "precision", "recall", "false_alarm_rate", "balanced_accuracy"):
        found = intervals_at(labels, scores, threshold)[name]
        assert found.low < found.high
        assert found.method.startswith("clopper_pearson")


@pytest.mark.parametrize(("label", "name"), [(0, "false_alarm_rate"), (1, "recall")])
def test_pictures_of_one_class_leave_the_interval_of_its_rate(label, name):
    assert intervals_at(np.full(8, label), np.arange(8.0), 6) == {name: clopper_pearson(2, 8, 0.95)}


def test_the_interval_of_a_cost_is_that_of_its_draws():
    labels, scores = pictures(25, 35)
    samples = bootstrap_samples(labels, scores, scores >= 0.8, draws=200, seed=0)
    found = interval_of_rates(
        lambda recall, alarms: 5 * (1 - recall) + alarms, samples, labels, scores >= 0.8, confidence=0.9
    )
    expected = np.quantile(5 * (1 - samples["recall"]) + samples["false_alarm_rate"], [0.05, 0.95])
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_the_interval_of_a_cost_without_a_false_alarm_reaches_to_its_exact_limits():
    labels, scores = np.array([0] * 21 + [1] * 61), np.arange(82.0)
    samples = bootstrap_samples(labels, scores, scores >= 30, draws=200, seed=0)
    found = interval_of_rates(
        lambda recall, alarms: 5 * (1 - recall) + alarms, samples, labels, scores >= 30, confidence=0.95
    )
    recall, alarms = clopper_pearson(52, 61, 0.95), clopper_pearson(0, 21, 0.95)
    assert (found.low, found.high) == pytest.approx((5 * (1 - recall.high), 5 * (1 - recall.low) + alarms.high))
    assert interval_of_rates(min, {}, labels, scores >= 30, confidence=0.95) is None


def test_no_draws_mean_no_interval():
    assert intervals_at(*pictures(5, 5), 0.8, draws=0) == {}


def test_a_95_percent_interval_holds_the_true_auroc_about_95_times_in_100():
    # normal scores, shifted by one deviation: the true AUROC is Phi(1 / sqrt 2)
    truth, trials = NormalDist().cdf(2**-0.5), 300
    held = 0
    for seed in range(trials):
        labels, scores = pictures(60, 60, seed=seed, decimals=12)
        found = bootstrap_intervals(labels, scores, scores >= 1, draws=200, confidence=0.95, seed=seed)["auroc"]
        held += found.low <= truth <= found.high
    assert 0.91 <= held / trials <= 0.985  # 3 standard errors around 0.95; a 90 % or a 99.5 % interval would fail
