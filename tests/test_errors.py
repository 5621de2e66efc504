"""A refusal is one line that says what, where and what to do."""

from iad.errors import IadError, unknown


def test_an_unknown_name_comes_with_the_nearest_and_all_known_ones():
    refusal = unknown("source", "flder", {"folder", "elpv"})
    assert isinstance(refusal, IadError)
    assert str(refusal) == "unknown source 'flder'; did you mean 'folder'? Known: elpv, folder"


def test_a_name_like_none_of_the_known_ones_gets_no_suggestion():
    assert str(unknown("source", "xyz", ["elpv", "folder"])) == "unknown source 'xyz'. Known: elpv, folder"
