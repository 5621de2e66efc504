"""Oracle: pictures whose order by score can be read off."""

import numpy as np
import pytest

from iad.errors import IadError
from tests.outcomes import outcome


def test_the_worst_misses_score_lowest_and_the_worst_false_alarms_highest():
    labels, scores = [1, 1, 1, 0, 0, 0], [0.3, 0.1, 0.9, 0.7, 0.9, 0.2]
    found = outcome(labels=labels, scores=scores)
    assert found.worst_misses(5).tolist() == [1, 0]
    assert found.worst_misses(1).tolist() == [1]
    assert found.worst_false_alarms(5).tolist() == [4, 3]


def test_typical_pictures_lie_at_the_quartiles_of_their_class():
    scores = np.random.default_rng(0).permutation(40).astype(float)
    found = outcome(labels=[0] * 20 + [1] * 20, scores=scores)
    chosen = found.typical(1, 3)
    assert set(found.gt_label[chosen]) == {1}
    ranks = [int((scores[20:] < scores[row]).sum()) for row in chosen]
    assert ranks == [5, 10, 15]


@pytest.mark.parametrize(("pictures", "expected"), [(0, 0), (1, 1), (2, 2)])
def test_a_class_with_few_pictures_shows_those_it_has(pictures, expected):
    found = outcome(labels=[0] * 3 + [1] * pictures, scores=np.arange(3.0 + pictures))
    assert len(found.typical(1, 3)) == expected


def test_scores_that_cannot_be_ranked_are_refused_with_the_file():
    with pytest.raises(IadError, match=r"^a/test: 1 of 2 scores are not finite"):
        outcome(labels=[0, 1], scores=[np.nan, 1]).check("a/test")
