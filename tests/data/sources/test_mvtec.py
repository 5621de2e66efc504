"""A category of MVTec AD comes from a folder, an archive or the download (a stand-in here), and is unpacked once."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from iad.data.manifest import sorted_pictures
from iad.data.sources import load_pictures, mvtec
from iad.errors import IadError

REMEDY = "set data.mvtec.path to a copy of the archive, or of the unpacked folder"
FILES = ["train/good/0.png", "test/good/1.png", "test/hole/2.png", "ground_truth/hole/2_mask.png", "readme.txt"]


def load(path, category="carpet"):
    options = {"path": None if path is None else str(path)}
    return load_pictures("mvtec", category, seed=0, options=options, root=Path())


def content(pictures):
    return {picture.image_id: (picture.split, picture.defect, picture.read()) for picture in sorted_pictures(pictures)}


def expected(category="carpet"):
    return {
        "train/good/0.png": ("train", "good", f"{category}/train/good/0.png".encode()),
        "test/good/1.png": ("test", "good", f"{category}/test/good/1.png".encode()),
        "test/hole/2.png": ("test", "hole", f"{category}/test/hole/2.png".encode()),
    }


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("IAD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/mvtec"


@pytest.fixture
def unpacked(tmp_path):
    for name in [f"{category}/{file}" for category in ("carpet", "tile") for file in FILES]:
        path = tmp_path / "mvtec" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "mvtec"


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "mvtec.tar.xz"
    with tarfile.open(path, "w:xz") as tar:
        for name in [f"{category}/{file}" for category in ("carpet", "tile") for file in FILES]:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
    return path


@pytest.fixture
def official(archive, monkeypatch):
    """The archive stands for the official one; how often it is downloaded is counted."""
    calls = []

    def download(url, path, sha256, *, remedy):
        calls.append((url, sha256, remedy))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(archive.read_bytes())

    monkeypatch.setattr("iad.data.archives.download_file", download)
    return calls


def test_there_are_15_categories():
    assert len(set(mvtec.CATEGORIES)) == 15


def test_the_folder_of_all_categories_or_of_one_is_read_in_place(unpacked, cache):
    assert content(load(unpacked)) == expected()
    assert content(load(unpacked / "carpet")) == expected()
    assert content(load((unpacked / "carpet").rename(unpacked / "my copy"))) == expected()
    assert not cache.exists()


def test_the_folder_of_another_category_is_refused(unpacked):
    with pytest.raises(IadError, match="holds neither a folder 'carpet' nor train/"):
        load(unpacked / "tile")


def test_an_archive_on_disk_is_unpacked_once(archive, cache, monkeypatch):
    assert content(load(archive)) == expected()
    assert content(load(archive, "tile")) == expected("tile")
    monkeypatch.setattr("tarfile.open", None)
    assert content(load(archive)) == expected()
    assert [path.name for path in cache.iterdir()] == [hashlib.sha256(archive.read_bytes()).hexdigest()[:16]]


def test_another_archive_is_not_taken_for_the_first(archive):
    load(archive)
    with tarfile.open(archive, "w:xz") as tar:
        for name in ("carpet/train/good/9.png", "carpet/test/good/8.png"):
            tar.addfile(tarfile.TarInfo(name))
    assert set(content(load(archive))) == {"train/good/9.png", "test/good/8.png"}


def test_the_official_archive_is_downloaded_once_and_unpacked_by_category(official):
    assert content(load(None)) == expected()
    assert content(load(None, "tile")) == expected("tile")
    assert content(load(None)) == expected()
    assert official == [(mvtec.ARCHIVE_URL, mvtec.ARCHIVE_SHA256, REMEDY)]


def test_an_unpacked_category_needs_no_archive(official, cache):
    load(None)
    next(cache.glob("*.tar.xz")).unlink()
    assert content(load(None)) == expected()
    assert len(official) == 1


def test_a_path_that_leads_nowhere_is_refused(tmp_path):
    with pytest.raises(IadError, match=r"data\.mvtec\.path = .*none: there is no such file or folder"):
        load(tmp_path / "none")


def test_an_unknown_category_is_refused_before_anything_is_downloaded(official):
    with pytest.raises(IadError, match="unknown MVTec AD category 'screws'; did you mean 'screw'"):
        load(None, "screws")
    assert not official
