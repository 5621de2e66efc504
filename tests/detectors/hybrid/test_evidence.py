"""Oracle: the share of good pictures that score as high, counted; the logistic survival function; pairs counted."""

import math

import numpy as np
import pytest

from iad.detectors.hybrid.evidence import GoodTail, enlarge, fit_tail, fuse
from iad.errors import IadError
from iad.words import counted

GOOD = np.array([4.0, 1.0, 10.0, 3.0, 2.0, 6.0, 5.0, 9.0, 8.0, 7.0])  # the upper fifth, 9 and 10, lies above 8


def auroc(labels, scores):
    """By counting pairs."""
    pairs = [(bad > good) + (bad == good) / 2 for bad in scores[labels == 1] for good in scores[labels == 0]]
    return sum(pairs) / len(pairs)


def test_the_tail_is_what_the_highest_fifth_shows():
    assert fit_tail(GOOD, 0.2, "ae") == GoodTail(start=8.0, excess=1.5, share=0.2)
    # of two values, the higher one is the tail
    assert fit_tail(np.array([3.0, 1.0]), 0.2, "ae") == GoodTail(start=1.0, excess=2.0, share=0.5)
    # ties with the start count as tail without excess
    assert fit_tail(np.array([[0.0, 0.0], [0.0, 4.0]], dtype=np.float32), 0.5, "ae") == GoodTail(0.0, 2.0, 0.5)


def test_evidence_is_minus_the_logarithm_of_the_share_that_scores_as_high():
    tail = fit_tail(GOOD, 0.2, "ae")
    for score in (-3.0, 1.0, 8.0, 9.5, 30.0):
        p = 1 / (1 + 0.8 / 0.2 * math.exp((score - 8) / 1.5))
        assert tail.evidence(np.array([score])).item() == pytest.approx(-math.log10(p), rel=1e-12)
    # at the start it is the share itself
    assert 10 ** -tail.evidence(np.array([8.0])).item() == pytest.approx(0.2)


def test_evidence_of_an_exponential_tail_is_the_share_counted_among_many():
    good = np.random.default_rng(0).exponential(3.0, 200_000)
    tail = fit_tail(good[:100_000], 0.2, "ae")
    for score in (8.0, 12.0, 16.0):
        assert tail.evidence(np.array([score])).item() == pytest.approx(-np.log10((good >= score).mean()), abs=0.12)


def test_one_method_alone_ranks_as_before_even_far_outside_the_good_scores():
    generator = np.random.default_rng(1)
    tail = fit_tail(generator.normal(10, 1, 50), 0.2, "vit")
    scores = np.concatenate([generator.normal(10, 1, 60), generator.normal(12, 2, 60), [-200.0, -150, 1e6, 2e6, 1e9]])
    labels = np.array([0] * 60 + [1] * 60 + [0, 1, 0, 1, 1])
    evidence = tail.evidence(scores)
    assert np.array_equal(np.argsort(evidence, kind="stable"), np.argsort(scores, kind="stable"))
    assert len(set(evidence)) == len(set(scores))
    assert auroc(labels, evidence) == auroc(labels, scores)
    assert np.isfinite(evidence).all()


def test_the_unit_and_the_zero_of_a_score_do_not_matter():
    generator = np.random.default_rng(2)
    good, scores = generator.normal(size=40), generator.normal(size=9)
    moved = fit_tail(1000 * good - 7, 0.2, "ae").evidence(1000 * scores - 7)
    np.testing.assert_allclose(moved, fit_tail(good, 0.2, "ae").evidence(scores), rtol=1e-9)


def test_two_members_that_see_different_halves_of_the_noise_are_better_fused_than_alone():
    generator = np.random.default_rng(3)
    labels = np.array([0] * 200 + [1] * 200)
    members = [scale * (generator.normal(size=400) + 1.5 * labels) for scale in (1, 50)]
    good = [scale * generator.normal(size=100) for scale in (1, 50)]
    evidence = [fit_tail(fit, 0.2, "m").evidence(scores) for fit, scores in zip(good, members, strict=True)]
    fused = auroc(labels, fuse(np.stack(evidence), how="mean"))
    assert fused > max(auroc(labels, scores) for scores in members) + 0.03
    # without a scale the louder member would drown the other
    assert auroc(labels, members[0] + members[1]) < fused - 0.03


def test_fusing_weighs_each_member():
    evidence = np.array([[1.0, 6.0], [4.0, 2.0], [1.0, 1.0]])
    assert fuse(evidence, how="mean").tolist() == [pytest.approx(2.0), 3.0]
    assert fuse(evidence, how="mean", weights=(2, 1, 0)).tolist() == [2.0, pytest.approx(14 / 3)]
    assert fuse(evidence, how="max").tolist() == [4.0, 6.0]
    assert fuse(evidence, how="max", weights=(1, 2, 0)).tolist() == [4.0, 3.0]
    # only the ratios of weights count
    np.testing.assert_allclose(
        fuse(evidence, how="mean", weights=(20, 10, 0)), fuse(evidence, how="mean", weights=(2, 1, 0))
    )


def test_maps_are_fused_place_by_place():
    maps = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    assert fuse(maps, how="mean").tolist() == ((maps[0] + maps[1]) / 2).tolist()
    assert fuse(maps, how="max", weights=(1, 1)).tolist() == maps[1].tolist()


def test_a_map_is_enlarged_by_the_weights_of_its_lines():
    rows, columns = np.array([[1, 0], [0.5, 0.5], [0, 1]], dtype=np.float32), np.eye(2, dtype=np.float32)
    found = enlarge(np.array([[[0.0, 2.0], [4.0, 6.0]]]), rows, columns)
    assert found.tolist() == [[[0, 2], [2, 4], [4, 6]]]
    assert found.dtype == np.float32


@pytest.mark.parametrize("good", [np.full(30, 7.0), np.array([1.0] * 20 + [7.0] * 10)])
def test_scores_without_a_scale_are_refused(good):
    with pytest.raises(IadError, match=r"^ae: the 7 highest of 30 values .* all 7, .* leave this method out"):
        fit_tail(good, 0.2, "ae")


@pytest.mark.parametrize("values", [[], [3.0]])
def test_fewer_than_two_scores_are_no_scale(values):
    with pytest.raises(
        IadError,
        match=rf"^ae: {counted(len(values), 'value')} of good pictures, too few for a scale; add good pictures$",
    ):
        fit_tail(np.array(values), 0.2, "ae")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_score_that_is_not_finite_is_refused(value):
    with pytest.raises(IadError, match="vit: a score of a good picture is not finite"):
        fit_tail(np.array([1.0, 2.0, value]), 0.2, "vit")


@pytest.mark.parametrize("weights", [(1,), (1, 2, 3), (-1, 2), (0, 0), (1, math.nan)])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(IadError, match="for 2 members: give one each"):
        fuse(np.ones((2, 3)), how="mean", weights=weights)
