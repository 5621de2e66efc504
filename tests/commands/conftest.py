"""The project in which every method ran, and a copy of it for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bundled import copy_of, every_method


@pytest.fixture(scope="module")
def finished(tiny_template, tmp_path_factory) -> Path:
    """Read it, do not change it."""
    return every_method(tmp_path_factory, tiny_template)


@pytest.fixture
def project(finished, tmp_path, monkeypatch) -> Path:
    """A copy that may be changed, and is the current folder."""
    folder = copy_of(finished, tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder
