"""Which files of a folder are pictures, what they are called, and which are refused. Content is not looked at."""

import os
import sys
import unicodedata

import pytest

from iad.data.tree import find_pictures, look_through, read_bytes
from iad.errors import IadError


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def refusal(folder):
    with pytest.raises(IadError) as caught:
        find_pictures(folder)
    return str(caught.value)


def test_pictures_are_found_at_any_depth_with_suffixes_in_any_case(tmp_path):
    names = ["a.png", "b.PNG", "c/d.Jpg", "c/e/f.jpeg", "g.bmp", "h.TIF", "i.tiff", "j.webp"]
    touch(tmp_path, *names)
    assert find_pictures(tmp_path) == {name: tmp_path / name for name in names}


def test_ids_are_sorted(tmp_path):
    touch(tmp_path, "b/1.png", "b-c/1.png", "a.png")
    assert list(find_pictures(tmp_path)) == ["a.png", "b-c/1.png", "b/1.png"]


def test_names_with_spaces_and_letters_of_any_script_work(tmp_path):
    names = ["gute Teile/Schraube ä.png", "良品/部品 1.png"]
    touch(tmp_path / "my data", *names)
    assert list(find_pictures(tmp_path / "my data")) == names


def test_an_id_is_the_same_however_the_disk_writes_an_accent(tmp_path):
    decomposed = unicodedata.normalize("NFD", "é.png")
    touch(tmp_path, decomposed)
    assert list(find_pictures(tmp_path)) == [unicodedata.normalize("NFC", "é.png")]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS takes both for one file")
def test_two_files_that_differ_only_in_how_an_accent_is_written_are_refused(tmp_path):
    touch(tmp_path, unicodedata.normalize("NFD", "é.png"), unicodedata.normalize("NFC", "é.png"))
    assert "two files have the id 'é.png'" in refusal(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux stores such names")
def test_a_name_that_is_not_unicode_is_refused(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.png")).touch()
    line = refusal(tmp_path)
    assert "not valid Unicode" in line
    line.encode()


def test_hidden_files_and_leftovers_of_file_managers_are_passed_over_in_silence(tmp_path, capsys):
    touch(tmp_path, "a.png", ".b.png", "._a.png", ".cache/c.png", "Thumbs.db", "desktop.ini", "__MACOSX/d.png")
    assert list(find_pictures(tmp_path)) == ["a.png"]
    assert capsys.readouterr().out == ""


def test_other_files_are_passed_over_with_a_line_that_counts_them(tmp_path, capsys):
    touch(tmp_path, "a.png", "notes.txt", "x/license")
    assert list(find_pictures(tmp_path)) == ["a.png"]
    line = capsys.readouterr().out
    assert "2 files that are not pictures passed over, such as notes.txt" in line


@pytest.mark.parametrize("name", ["a.gif", "b/c.HEIC", "d.psd"])
def test_pictures_of_another_kind_are_refused_not_passed_over(tmp_path, name):
    touch(tmp_path, "a.png", name)
    assert str(tmp_path / name) in refusal(tmp_path)


def test_a_link_to_a_file_elsewhere_is_that_file(tmp_path):
    touch(tmp_path, "in/a.png")
    (tmp_path / "outside.png").write_bytes(b"abc")
    (tmp_path / "in/link.png").symlink_to(tmp_path / "outside.png")
    found = find_pictures(tmp_path / "in")
    assert list(found) == ["a.png", "link.png"]
    assert read_bytes(found["link.png"]) == b"abc"


def test_where_anybody_may_put_files_a_link_out_of_the_folder_is_refused(tmp_path):
    touch(tmp_path, "outside.png", "in/a.png")
    (tmp_path / "in/link.png").symlink_to(tmp_path / "outside.png")
    problems = {image_id: problem for image_id, _, problem in look_through(tmp_path / "in")}
    assert not problems["a.png"]
    assert "link.png: a link that leaves the folder" in problems["link.png"]


@pytest.mark.parametrize("target", ["outside", "in", "in/gone", "in/b/link"])
def test_a_link_to_a_folder_to_nothing_or_to_itself_is_refused(tmp_path, target):
    touch(tmp_path, "outside/a.png", "in/b/c.png")
    (tmp_path / "in/b/link").symlink_to(tmp_path / target)
    assert "a link to a folder or to nothing" in refusal(tmp_path / "in")


def test_a_link_within_the_folder_is_a_file_like_any_other(tmp_path):
    touch(tmp_path, "a.png")
    (tmp_path / "b.png").symlink_to("a.png")
    assert list(find_pictures(tmp_path)) == ["a.png", "b.png"]


def test_the_folder_itself_may_be_a_link(tmp_path):
    touch(tmp_path, "there/a.png")
    (tmp_path / "here").symlink_to(tmp_path / "there", target_is_directory=True)
    assert list(find_pictures(tmp_path / "here")) == ["a.png"]


def test_a_file_that_vanished_is_one_line(tmp_path):
    with pytest.raises(IadError, match=r"gone\.png: cannot be read \(No such file"):
        read_bytes(tmp_path / "gone.png")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_a_pipe_named_as_a_picture_is_refused_and_not_waited_for(tmp_path):
    touch(tmp_path, "a.png")
    os.mkfifo(tmp_path / "b.png")
    assert refusal(tmp_path).startswith(f"{tmp_path}/b.png: not a regular file")
