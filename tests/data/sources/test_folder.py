"""The folder `data/<category>` is found, or refused with what to do; test_layouts.py tells how it is read."""

import pytest

from iad.data.sources import load_pictures
from iad.errors import IadError


def load(root, category):
    return load_pictures("folder", category, seed=0, options={"train_share": 0.5}, root=root)


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
