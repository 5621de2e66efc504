"""Bundles of the project in which every method ran, each written once for all tests of a file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest

from iad.bundles.predictor import Predictor, load
from tests.bundled import iad


@pytest.fixture(autouse=True)
def every_test(as_the_pipeline) -> None:
    pass


@pytest.fixture(scope="module")
def bundle_at(finished, tmp_path_factory) -> Callable[..., Path]:
    """Writes a method's bundle, and gives its file; do not change it."""
    folder, made = tmp_path_factory.mktemp("bundles"), {}

    def write(method: str, *options: str) -> Path:
        if (method, *options) not in made:
            made[method, *options] = folder / f"{len(made)}.iad"
            with chdir(finished):
                iad("bundle", method, "--out", made[method, *options], *options)
        return made[method, *options]

    return write


@pytest.fixture(scope="module")
def inspector_of(bundle_at) -> Callable[[str], Predictor]:
    """A method's predictor, the same for all tests of a file."""
    loaded: dict[str, Predictor] = {}

    def one(method: str) -> Predictor:
        if method not in loaded:
            loaded[method] = load(bundle_at(method))
        return loaded[method]

    return one
