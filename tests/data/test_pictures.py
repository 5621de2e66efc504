"""Pictures that are handed to a detector: files and folders, in the order in which they are named."""

import hashlib
import os
import sys

import pytest

from iad.data.pictures import PictureFile, find
from iad.errors import IadError


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def test_files_come_in_the_order_given_and_those_of_a_folder_by_name(tmp_path):
    write(tmp_path, "b.png", "in/2.png", "in/deep/1.jpg", "in/notes.txt", "in/10.PNG", "a.png")
    found = find([tmp_path / "in", tmp_path / "b.png", str(tmp_path / "a.png")])
    assert [one.name for one in found] == ["10.PNG", "2.png", "deep/1.jpg", "b.png", "a.png"]
    assert [one.path.relative_to(tmp_path).as_posix() for one in found] == [
        "in/10.PNG", "in/2.png", "in/deep/1.jpg", "b.png", "a.png",
    ]  # fmt: skip
    assert found[1].read() == b"in/2.png"


def test_a_place_named_twice_comes_twice_and_equal_names_of_two_folders_have_their_paths(tmp_path):
    write(tmp_path, "one/a.png", "two/a.png")
    found = find([tmp_path / "one", tmp_path / "two", tmp_path / "one"])
    assert [one.name for one in found] == ["a.png"] * 3
    assert [one.path.parent.name for one in found] == ["one", "two", "one"]


def test_one_place_need_not_be_a_list(tmp_path):
    write(tmp_path, "a.png")
    assert find(str(tmp_path)) == find(tmp_path) == find([tmp_path]) == [PictureFile(tmp_path / "a.png", "a.png")]


def test_nothing_named_is_nothing_found():
    assert find([]) == []


def test_a_picture_of_another_kind_is_listed_so_that_somebody_tells_of_it(tmp_path, capsys):
    write(tmp_path, "a.png", "b.HEIC", "readme.md", ".hidden.png")
    assert [one.name for one in find([tmp_path])] == ["a.png", "b.HEIC"]
    assert [one.name for one in find([tmp_path / "readme.md"])] == ["readme.md"]
    assert capsys.readouterr().out == ""  # standard output belongs to the table


def test_the_hash_is_that_of_the_bytes_and_is_read_once(tmp_path):
    write(tmp_path, "a.png")
    picture = PictureFile(tmp_path / "a.png", "a.png")
    wanted = hashlib.sha256(b"a.png").hexdigest()
    assert picture.sha256 == wanted
    (tmp_path / "a.png").unlink()
    assert picture.sha256 == wanted
    with pytest.raises(IadError, match="cannot be read"):
        picture.read()


def test_a_folder_without_a_picture_and_a_place_that_is_not_there_are_refused(tmp_path):
    write(tmp_path, "notes.txt")
    with pytest.raises(IadError, match="no picture in this folder; name"):
        find([tmp_path])
    with pytest.raises(IadError, match=r"other: no such file or folder; name"):
        find([tmp_path / "other"])


def test_a_place_that_the_system_will_not_look_at_is_refused_in_one_line(tmp_path, monkeypatch):
    with pytest.raises(IadError, match=r"^x+\.png: cannot be looked into: .*; check its name and rights$"):
        find("x" * 300 + ".png")

    def forbidden(folder):
        raise PermissionError(13, "Permission denied", f"{folder}/inner")
        yield

    monkeypatch.setattr("iad.data.pictures.look_through", forbidden)
    with pytest.raises(IadError, match=r"cannot be looked into \(.*/inner\): Permission denied; check"):
        find(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux stores such names")
def test_what_a_folder_holds_beside_pictures_is_told_by_name_and_the_pictures_are_found(tmp_path):
    write(tmp_path, "in/a.png", "in/z.png", "elsewhere/b.png")
    (tmp_path / "in/broken.png").symlink_to(tmp_path / "in/gone.png")
    (tmp_path / "in/folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/notes.txt").symlink_to(tmp_path / "gone.txt")
    (tmp_path / "in" / os.fsdecode(b"odd\xff.png")).touch()
    os.mkfifo(tmp_path / "in/pipe.png")
    found = {one.name: one for one in find(tmp_path / "in")}
    assert [*found] == ["a.png", "broken.png", "folder", "odd\\xff.png", "pipe.png", "z.png"]
    assert found["z.png"].read() == b"in/z.png"
    told = {
        "broken.png": "leaves the folder|to a folder or to nothing", "folder": "leaves the folder",
        "odd\\xff.png": "not valid Unicode", "pipe.png": "not a regular file",
    }  # fmt: skip
    for name, words in told.items():
        assert str(found[name].path).encode(), "can be written anywhere"
        with pytest.raises(IadError, match=words):
            found[name].read()
