"""Oracles: AUROC by counting pairs, scikit-learn's average precision, F1 by trying the deployed predicate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from iad.decision.thresholds import is_anomalous
from iad.errors import IadError
from iad.metrics.confusion import confusion
from iad.metrics.image import auroc, average_precision, best_f1, both_classes, rank


def auroc_oracle(labels, scores):
    pairs = [(bad > good) + (bad == good) / 2 for bad in scores[labels == 1] for good in scores[labels == 0]]
    return sum(pairs) / len(pairs)


def f1_oracle(labels, scores, threshold):
    rejected = [is_anomalous(np.array([score]), threshold)[0] for score in scores]
    caught = sum(bool(label) and verdict for label, verdict in zip(labels, rejected, strict=True))
    return 2 * caught / (sum(rejected) + int(sum(labels)))


def made_of(pairs):
    labels, scores = zip(*pairs, strict=True)
    return np.array(labels), np.array(scores, dtype=np.float64)


TIED = st.integers(0, 5)
DISTINCT = st.integers(-(10**6), 10**6)
PICTURES = st.one_of(
    *(st.lists(st.tuples(st.integers(0, 1), scores), min_size=2, max_size=40) for scores in (TIED, DISTINCT))
).map(made_of)
BOTH = PICTURES.filter(lambda pictures: both_classes(pictures[0]))


@given(BOTH)
def test_auroc_is_the_share_of_pairs_in_the_right_order_with_ties_counting_half(pictures):
    assert auroc(*pictures) == pytest.approx(auroc_oracle(*pictures), abs=1e-12)
    assert auroc(*pictures) == pytest.approx(roc_auc_score(*pictures), abs=1e-12)


@given(BOTH)
def test_average_precision_is_that_of_scikit_learn(pictures):
    assert average_precision(*pictures) == pytest.approx(average_precision_score(*pictures), abs=1e-12)


@given(BOTH)
def test_the_best_f1_is_reached_by_the_deployed_predicate_at_its_threshold_and_never_beaten(pictures):
    labels, scores = pictures
    found = best_f1(labels, scores)
    assert f1_oracle(labels, scores, found.threshold) == pytest.approx(found.value, abs=1e-12)
    assert found.value == pytest.approx(max(f1_oracle(labels, scores, value) for value in scores), abs=1e-12)


@given(BOTH)
def test_a_rising_transform_of_the_scores_changes_nothing(pictures):
    labels, scores = pictures
    moved = np.arctan(scores / 10**6) * 7 - 3
    assert auroc(labels, moved) == auroc(labels, scores)
    assert average_precision(labels, moved) == average_precision(labels, scores)
    assert best_f1(labels, moved).value == best_f1(labels, scores).value


@given(BOTH)
def test_swapping_the_labels_mirrors_auroc(pictures):
    labels, scores = pictures
    assert auroc(1 - labels, scores) == pytest.approx(1 - auroc(labels, scores), abs=1e-12)


@given(BOTH, st.randoms(use_true_random=False))
def test_the_order_of_the_pictures_changes_nothing(pictures, random):
    labels, scores = pictures
    rows = list(range(len(labels)))
    random.shuffle(rows)
    assert auroc(labels[rows], scores[rows]) == auroc(labels, scores)
    assert average_precision(labels[rows], scores[rows]) == average_precision(labels, scores)


def test_scores_above_one_and_differences_below_float32_still_rank():
    # a sigmoid or float32 ties these: anomalib #3407, and toothbrush 0.967 instead of 0.997
    labels = np.array([0, 0, 1, 1])
    assert auroc(labels, np.array([40.0, 41.0, 42.0, 43.0])) == 1.0
    assert auroc(labels, 1.0 + np.array([0, 1, 2, 3]) * 1e-12) == 1.0


def test_the_f1_threshold_is_not_off_by_one():
    # the example on which anomalib's F1AdaptiveThreshold falls from 0.80 to 0.50 by applying > to a threshold of >=
    labels, scores = np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.6, 0.8])
    found = best_f1(labels, scores)
    assert (found.value, found.threshold) == (0.8, 0.4)


def test_all_scores_tied_rank_like_chance():
    labels, scores = np.array([0, 1, 1, 0, 1]), np.full(5, 2.5)
    assert auroc(labels, scores) == 0.5
    assert average_precision(labels, scores) == 0.6


@pytest.mark.parametrize("label", [0, 1])
def test_metrics_that_need_both_classes_are_none_with_one(label):
    labels, scores = np.full(4, label), np.arange(4.0)
    assert auroc(labels, scores) is None
    assert average_precision(labels, scores) is None
    assert best_f1(labels, scores) is None
    counted = confusion(labels, scores >= 2)
    assert (counted.precision, counted.f1, counted.balanced_accuracy) == (None, None, None)
    assert counted.recall == (0.5 if label else None)
    assert counted.false_alarm_rate == (None if label else 0.5)


@given(BOTH, st.floats(-2, 7))
def test_verdict_metrics_are_those_of_scikit_learn(pictures, threshold):
    labels, scores = pictures
    rejected = is_anomalous(scores, threshold)
    counted = confusion(labels, rejected)
    expected = precision_score(labels, rejected, zero_division=0) if rejected.any() else None  # of nothing, nothing
    assert counted.precision == pytest.approx(expected)
    assert counted.recall == pytest.approx(recall_score(labels, rejected))
    assert counted.f1 == pytest.approx(f1_score(labels, rejected, zero_division=0))


@given(BOTH, st.data())
def test_weights_count_like_repeated_pictures(pictures, data):
    labels, scores = pictures
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(labels), max_size=len(labels))))
    weights[[labels.argmin(), labels.argmax()]] = 1
    ranking = rank(labels, scores)
    counts = ranking.counts(np.stack([weights[ranking.order]] * 2))
    again = rank(np.repeat(labels, weights), np.repeat(scores, weights)).counts()
    there = np.isin(counts.thresholds, again.thresholds)
    for row in range(2):
        assert counts.true_positives[row, there].tolist() == again.true_positives.tolist()
        assert counts.false_positives[row, there].tolist() == again.false_positives.tolist()


@pytest.mark.parametrize(
    ("labels", "scores", "problem"),
    [
        ([], [], "no test picture"),
        ([0, 1], [0.5], "2 labels for 1 scores"),
        ([0, 2], [0.5, 0.6], "label 2"),
        ([0, 1], [0.5, np.nan], "1 of 2 scores are not finite"),
    ],
)
def test_what_cannot_be_ranked_is_refused_with_its_origin(labels, scores, problem):
    with pytest.raises(IadError, match=f"^there: {problem}"):
        rank(np.array(labels), np.array(scores), origin="there")
