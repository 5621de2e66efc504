"""The folder `data/<category>` is found, or refused with what to do; test_layouts.py tells how it is read."""

import pytest

from iad.data.sources import load_pictures
from iad.data.sources.folder import Options
from iad.errors import IadError


def load(root, category):
    options = dict(Options(train_share=0.5))
    return load_pictures("folder", category, seed=0, options=options, root=root)


def lay_out(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize("category", ["parts", "my parts ä", "line 1/camera 2"])
def test_a_folder_is_found_by_its_name(tmp_path, category):
    lay_out(tmp_path / category, "good/1.png", "good/2.png", "bad/3.png")
    assert [picture.image_id for picture in load(tmp_path, category)] == ["bad/3.png", "good/1.png", "good/2.png"]


def test_a_missing_folder_is_refused_with_the_command_that_makes_it_known(tmp_path):
    lay_out(tmp_path, "screw/good/1.png", "tile/good/1.png", ".hidden/x", "file")
    with pytest.raises(IadError) as caught:
        load(tmp_path, "scrwe")
    folder = (tmp_path / "scrwe").as_posix()
    assert str(caught.value).startswith(f"{tmp_path / 'scrwe'}: no such folder")
    assert f"`dvc add {folder}`" in str(caught.value)
    assert str(caught.value).endswith("there are: screw, tile")


def test_a_missing_root_is_the_same(tmp_path):
    with pytest.raises(IadError, match="no such folder"):
        load(tmp_path / "data", "screw")


@pytest.mark.parametrize("category", ["../other", "a/../../other", "/other"])
def test_a_category_that_leaves_the_root_is_refused(tmp_path, category):
    lay_out(tmp_path / "other", "good/1.png", "good/2.png")
    (tmp_path / "data").mkdir()
    with pytest.raises(IadError, match="leaves"):
        load(tmp_path / "data", category)


def test_a_link_on_the_way_is_refused_with_what_dvc_would_follow(tmp_path):
    lay_out(tmp_path / "share", "good/1.png", "good/2.png", "bad/3.png")
    lay_out(tmp_path / "data", "x")
    (tmp_path / "data/line").mkdir()
    for place, category in (("parts", "parts"), ("line/parts", "line/parts"), ("all", "all/share")):
        target = tmp_path if place == "all" else tmp_path / "share"
        (tmp_path / "data" / place).symlink_to(target)
        with pytest.raises(IadError) as caught:
            load(tmp_path / "data", category)
        line, path = str(caught.value), tmp_path / "data" / place
        assert line.startswith(f"{path}: a link (to {target})")
        assert f"`dvc add {tmp_path}/data/{category}`" in line
        assert f"`dvc import-url {target} {path}`" in line


def test_the_folder_of_all_pictures_may_be_no_link_either(tmp_path):
    lay_out(tmp_path / "share/parts", "good/1.png", "good/2.png", "bad/3.png")
    (tmp_path / "data").symlink_to(tmp_path / "share")
    with pytest.raises(IadError, match=rf"^{tmp_path}/data: a link"):
        load(tmp_path / "data", "parts")


def test_a_link_that_leads_nowhere_is_told_as_a_link(tmp_path):
    (tmp_path / "parts").symlink_to(tmp_path / "gone")
    with pytest.raises(IadError, match="a link"):
        load(tmp_path, "parts")


def test_what_was_understood_is_told(tmp_path, capsys):
    lay_out(tmp_path / "parts", "OK/1.png", "OK/2.png", "NG/3.png", "notes.txt")
    load(tmp_path, "parts")
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path}/parts: read as plain folders of good and bad",
        f"{tmp_path}/parts: OK counts as good",
        f"{tmp_path}/parts: NG counts as defective",
        f"{tmp_path}/parts: 1 file that is not a picture passed over, such as notes.txt",
    ]
