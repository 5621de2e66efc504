"""Bundles of the project in which every method ran, and their graphs, each made once for all tests of a file."""

from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest

from iad.export.writing import Exported, export_bundle
from tests.bundled import iad

pytest.importorskip("onnxruntime", reason="needs the extra iad[export]")
pytest.importorskip("onnxscript", reason="needs the extra iad[export]")


@pytest.fixture(autouse=True)
def every_test(as_the_pipeline) -> None:
    pass


@pytest.fixture(scope="module")
def bundle_at(finished, tmp_path_factory) -> Callable[[str], Path]:
    """Writes a method's bundle, and gives its file; do not change it."""
    folder = tmp_path_factory.mktemp("bundles")

    def write(method: str) -> Path:
        file = folder / f"{method}.iad"
        if not file.exists():
            with chdir(finished):
                iad("bundle", method, "--out", file)
        return file

    return write


@pytest.fixture(scope="module")
def exported(bundle_at) -> Callable[..., Exported]:
    """Exports a method, checked on made pictures; do not change its files."""
    made: dict[tuple[str, str], Exported] = {}

    def export(method: str, format: str = "onnx") -> Exported:  # noqa: A002
        if (method, format) not in made:
            made[method, format] = export_bundle(bundle_at(method), format=format)
        return made[method, format]

    return export
