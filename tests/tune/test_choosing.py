"""Separation against its definition, and a choice that noise does not move."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from iad.data.image_size import ImageSize
from iad.errors import IadError
from iad.tune.candidates import Candidate
from iad.tune.choosing import choose
from iad.tune.separation import comparisons, gain, interval, separation
from iad.tune.trial import FEWEST, MOST_APART, MOST_COMPARED, Trial, draw_rows


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    good = rng.integers(0, 12, 15).astype(float)
    return good, good + rng.integers(-2, 6, (3, 15))


def test_separation_is_the_mean_auroc_against_all_other_pictures(scores):
    good, painted = scores
    labels = np.repeat([0, 1], [14, 1])
    found = [
        roc_auc_score(labels, [*np.delete(good, number), kind[number]]) for kind in painted for number in range(15)
    ]  # one painted picture against all good ones but itself
    assert separation(comparisons(good, painted)) == pytest.approx(np.mean(found))


def test_weights_count_pictures_as_often(scores):
    good, painted = scores
    weights = np.array([2.0, 1, 0, 3, *np.ones(11)])
    compared = comparisons(good, painted)
    sums = [
        (weights[i] * weights[j] * compared[i, j], weights[i] * weights[j])
        for i in range(15) for j in range(15) if i != j
    ]  # fmt: skip
    wanted = sum(one for one, _ in sums) / sum(one for _, one in sums)
    assert separation(compared, weights[None])[0] == pytest.approx(wanted)


def test_an_interval_holds_the_value_and_narrows_with_more_pictures():
    rng, widths = np.random.default_rng(2), []
    for count in (10, 100):
        good = rng.normal(size=count)
        compared = comparisons(good, rng.normal(1, 1, (2, count)))
        low, high = interval(compared, seed=0)
        assert low < separation(compared) < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_a_difference_that_is_there_is_found_and_one_with_itself_is_none(scores):
    good, painted = scores
    sharp, blunt = comparisons(good, painted + 20), comparisons(good, painted)
    found = gain(sharp, blunt, seed=0)
    assert (found.low > 0, found.p_value < 0.01) == (True, True)
    assert gain(blunt, blunt, seed=0).p_value == 1


def test_noise_alone_moves_the_choice_in_few_of_many_runs():
    default, moved = Candidate("patch_vit", 224), 0
    others = [Candidate("patch_vit", 224, {"patch.top_share": share}) for share in (0.01, 0.02, 0.03, 0.04)]
    for run in range(60):
        rng = np.random.default_rng(run)
        shared = rng.normal(size=24)  # settings see the same pictures, each with noise of its own
        tried = []
        for one in (default, *others):
            good, painted = shared + rng.normal(size=24), shared + 1 + rng.normal(size=(7, 24))
            tried.append((one, comparisons(good, painted)))
        chosen, told = choose(default, tried, seed=run)
        moved += chosen != default
        assert len(told) == 5
    assert moved <= 9  # 3 are promised; of so few pictures the bootstrap promises it about


def test_the_better_of_two_is_chosen_and_all_are_told_best_first():
    good, noise = np.zeros(20), np.random.default_rng(0).normal(size=(1, 20))
    default, other = Candidate("patch_vit", 224), Candidate("patch_resnet", 448)
    tried = [(default, comparisons(good, noise)), (other, comparisons(good, noise + 5))]
    chosen, told = choose(default, tried, seed=0)
    assert chosen == other
    assert [one.candidate for one in told] == [other, default]
    assert (told[1].gain, told[1].p_value) == (None, 1.0)


def test_groups_lie_on_one_side_and_no_picture_on_both():
    groups = [f"part {number // 4}" for number in range(40)]
    compared, apart = draw_rows(groups, seed=1)
    assert not {groups[row] for row in compared} & {groups[row] for row in apart}
    assert len(compared) + len(apart) == 40


@pytest.mark.parametrize("count", [FEWEST, 9, 30, 500])
def test_as_many_as_are_wanted_are_drawn(count):
    compared, apart = draw_rows([str(number) for number in range(count)], seed=0)
    assert (len(compared) <= MOST_COMPARED, 2 <= len(apart) <= MOST_APART) == (True, True)
    assert len({*compared.tolist(), *apart.tolist()}) == len(compared) + len(apart)


@pytest.mark.parametrize("groups", [["a", "b", "c"], ["a"] * 50])
def test_too_few_are_refused(groups):
    with pytest.raises(IadError, match=r"^tune: \d good pictures that stand for themselves, and 6 are needed"):
        draw_rows(groups, seed=0)


def test_a_trial_at_another_size_holds_the_same_pictures():
    good = np.random.default_rng(0).integers(0, 255, (5, 40, 60, 3), dtype=np.uint8)
    trial = Trial.of(good[:3], good[3:], seed=0)
    small = trial.at(ImageSize(20, 30))
    assert (small.compared.shape, small.painted.shape) == ((3, 20, 30, 3), (7, 2, 20, 30, 3))
    assert trial.at(ImageSize(40, 60)).apart is trial.apart
    assert abs(float(small.apart.mean()) - float(trial.apart.mean())) < 2
