"""Pictures named on the command line."""

import hashlib

import pytest

from iad.errors import IadError
from iad.serving.pictures import find


def test_files_come_in_the_order_given_and_those_of_a_folder_by_name(tmp_path):
    for name in ("b.png", "in/2.png", "in/deep/1.jpg", "in/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    found = find([tmp_path / "in", tmp_path / "b.png"])
    assert [one.name for one in found] == ["2.png", "deep/1.jpg", "b.png"]
    assert [one.path for one in found] == [tmp_path / name for name in ("in/2.png", "in/deep/1.jpg", "b.png")]
    assert found[0].sha256() == hashlib.sha256(b"in/2.png").hexdigest()


def test_a_folder_without_a_picture_and_a_place_that_is_not_there_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_bytes(b"")
    with pytest.raises(IadError, match="no picture in this folder"):
        find([tmp_path])
    with pytest.raises(IadError, match="no such file or folder"):
        find([tmp_path / "other"])
