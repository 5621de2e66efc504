"""What two sets of settings differ in."""

from iad.serving.differences import first_difference

ONE = {"a": 1, "b": {"c": [2, 3], "d": None}, "e": "x"}


def test_equal_settings_differ_in_nothing_whatever_their_order():
    assert first_difference(ONE, dict(reversed(ONE.items()))) is None


def test_the_first_leaf_that_differs_is_named_with_both_values():
    assert first_difference(ONE, {"a": 1, "b": {"c": [2], "d": None}, "e": "y"}) == ("b.c", [2, 3], [2])


def test_a_leaf_that_one_side_lacks_differs():
    assert first_difference(ONE, ONE | {"f": 5}) == ("f", None, 5)
    assert first_difference(ONE | {"f": 5}, ONE) == ("f", 5, None)


def test_ignored_leaves_may_differ():
    assert first_difference(ONE, ONE | {"e": "y"}, ignored=("e",)) is None
