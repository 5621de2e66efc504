"""Oracle: sorting the scores of a few pictures by eye."""

import numpy as np
import pytest

from iad.report.drawings import Pair, defect_examples, good_examples
from tests.outcomes import outcome


def seen(kinds, scores):
    labels = [int(kind != "good") for kind in kinds]
    return outcome(labels=labels, scores=scores, defect=np.array(kinds, dtype=object))


def test_each_kind_shows_its_lowest_and_its_highest_score():
    kinds = ["cut", "good", "hole", "cut", "hole", "cut", "a", "a", "b", "b"]
    pairs, hidden = defect_examples(seen(kinds, [5, 9, 1, 3, 2, 4, 0, 1, 1, 0]))
    assert pairs == [Pair("a", 6, 7, 0), Pair("b", 9, 8, 0), Pair("cut", 3, 0, 0), Pair("hole", 2, 4, 0)]
    assert hidden == 0


def test_one_kind_alone_shows_several_pictures():
    pairs, _ = defect_examples(seen(["cut"] * 5, [3, 1, 5, 2, 4]))
    assert pairs == [Pair("cut", 1, 2, 0), Pair("cut", 3, 4, 1)]


def test_a_kind_of_one_picture_has_no_second():
    assert defect_examples(seen(["cut", "good"], [1, 2]))[0] == [Pair("cut", 0, None, 0)]


def test_of_many_kinds_those_with_the_lowest_scores_are_shown():
    kinds = [name for name in "abc" for _ in range(2)]
    pairs, hidden = defect_examples(seen(kinds, [9, 9, 1, 8, 2, 3]), most_kinds=2)
    assert [pair.kind for pair in pairs] == ["b", "c"]
    assert hidden == 1


def test_of_equal_scores_no_picture_is_shown_twice():
    pairs, _ = defect_examples(seen(["cut"] * 8, [1] * 8))
    shown = [row for pair in pairs for row in (pair.left, pair.right)]
    assert len(set(shown)) == len(shown) == 8


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([4, 6, 5], [Pair("good", 2, 1, 0)]), ([4], [Pair("good", 0, None, 0)]), ([], [])],
)
def test_the_good_pictures_shown_are_those_with_the_highest_scores(scores, expected):
    assert good_examples(seen(["good"] * len(scores) + ["cut"], [*scores, 9])) == expected
