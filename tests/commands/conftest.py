"""A copy of the project in which every method ran, for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bundled import copy_of


@pytest.fixture
def project(finished, tmp_path, monkeypatch) -> Path:
    """A copy that may be changed, and is the current folder."""
    folder = copy_of(finished, tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder
