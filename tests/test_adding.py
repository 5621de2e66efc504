"""A detector, a source and a backbone are added to a copy of the project: which files that takes, and that it runs."""

import json
from pathlib import Path

import numpy as np
import pytest

from iad import paths
from iad.io import read_table
from tests.conftest import run, set_params
from tests.helpers import imported_files, load_pipeline, read_yaml, undeclared

DETECTOR = {
    "__init__.py": '''"""Largest distance of a feature to its median over good pictures."""

from iad.detectors.options import Refitted


class Options(Refitted):
    """Distance to the median."""
''',
    "detector.py": '''"""Largest distance of a feature to its median over good pictures."""

from __future__ import annotations

import numpy as np

from iad.detectors.base import State
from iad.detectors.median import Options
from iad.detectors.vector import VectorDetector


class Detector(VectorDetector[Options]):
    """The score is the largest |x - median|."""

    def learn(self, rows: np.ndarray) -> State:
        """The median of each feature."""
        return State({"median": np.median(rows, axis=0)})

    def score(self, rows: np.ndarray) -> np.ndarray:
        """The largest distance."""
        return np.abs(rows - self.learned.arrays["median"]).max(axis=1)
''',
    "README.md": "# Median\n",
}

SOURCE = '''"""Grey pictures, and white ones that are defective."""

from __future__ import annotations

import io
from functools import partial
from typing import ClassVar

from pydantic import Field

from iad.options import Count, SourceOptions


class Options(SourceOptions):
    """How many of each."""

    categories: ClassVar[str] = "grey"

    pictures: Count = Field(4, description="of each kind")


def load(category: str, *, seed: int, pictures: int) -> list:
    """List them."""
    from iad.data.manifest import Label, Picture

    kinds = [("train", Label.NORMAL, "good"), ("test", Label.NORMAL, "good"), ("test", Label.ANOMALOUS, "white")]
    return [
        Picture(f"{split}/{defect}/{number}.png", split, label, defect, partial(_read, number, defect == "white"))
        for split, label, defect in kinds
        for number in range(pictures + (split == "train"))
    ]


def _read(number: int, white: bool) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    size = (64 + number, 64) if white else (64, 64 + number)
    Image.effect_noise(size, 20 + number).point(lambda value: 255 if white and value < 128 else value).save(file, "PNG")
    return file.getvalue()
'''


def insert(file, after, lines):
    """Put lines behind the one that begins so."""
    text = file.read_text(encoding="utf-8").splitlines(keepends=True)
    (place,) = [number for number, line in enumerate(text) if line.startswith(after)]
    file.write_text("".join([*text[: place + 1], *lines, *text[place + 1 :]]), encoding="utf-8")


def touched(folder):
    """Files that were added or changed since the last commit."""
    shown = run(folder, "git", "status", "--porcelain", "--untracked-files=all").stdout
    return {line[3:] for line in shown.splitlines()}


def run_stages(folder, *names):
    """Run stages of the project; what they compute with must be declared already, so that dvc.yaml needs no line."""
    pipeline = load_pipeline(folder)
    for name in names:
        assert undeclared(imported_files(pipeline[name], folder).computing, pipeline[name].deps) == set()


@pytest.fixture
def project(reproduced_copy, monkeypatch):
    monkeypatch.chdir(reproduced_copy)
    return reproduced_copy


def test_a_detector_is_one_folder_and_its_lines_in_params(project):
    place = project / "iad/detectors/median"
    place.mkdir()
    for name, text in DETECTOR.items():
        (place / name).write_text(text, encoding="utf-8")
    with paths.PARAMS.open("a", encoding="utf-8") as file:
        file.write("median:\n  folds: 4\n")
    insert(paths.PARAMS, "methods:", ["  median: {detector: median, reads: extract_vit, params: median}\n"])
    assert touched(project) == {f"iad/detectors/median/{name}" for name in DETECTOR} | {"params.yaml"}
    run_stages(project, "score@median", "threshold@median")
    features, manifest = np.load(paths.EXTRACT_VIT / paths.FEATURES), read_table(paths.MANIFEST)
    train, test = (features[np.asarray(manifest["split"] == split)] for split in ("train", "test"))
    expected = np.abs(test.astype(float) - np.median(train.astype(float), axis=0)).max(axis=1)
    np.testing.assert_allclose(read_table(paths.SCORE / "median" / paths.TEST_SCORES)["score"], expected)
    provenance = json.loads((paths.SCORE / "median" / paths.PROVENANCE).read_text())
    assert provenance["detector"]["folds"] == 4


def test_a_source_is_one_file_and_its_lines_in_params(project):
    (project / "iad/data/sources/shades.py").write_text(SOURCE, encoding="utf-8")
    text = paths.PARAMS.read_text(encoding="utf-8").replace("  synthetic:", "  shades: {pictures: 3}\n  synthetic:")
    paths.PARAMS.write_text(text, encoding="utf-8")
    set_params(paths.PARAMS, paths.PARAMS, {"data": {"source": "shades", "category": "grey"}})
    assert touched(project) == {"iad/data/sources/shades.py", "params.yaml"}
    run_stages(project, "download", "preprocess")
    assert len(read_table(paths.MANIFEST)) == 4 + 3 + 3


def test_a_backbone_is_one_entry_of_params(project):
    weights = read_yaml(paths.PARAMS)["vit"]["weights"]
    entry = {"model": "test_vit", "weights": weights, "pooling": "patch_mean", "patches": {"layers": [1]}}
    methods = {"small": {"detector": "patch", "reads": "extract/small", "params": "patch"}}
    set_params(paths.PARAMS, paths.PARAMS, {"backbones": {"small": entry}, "methods": methods})
    assert touched(project) == {"params.yaml"}
    run_stages(project, "extract@small", "score@small", "threshold@small")
    assert len(read_table(paths.SCORE / "small" / paths.TEST_SCORES)) == 16
    record = json.loads((Path("stages/extract/small") / paths.BACKBONE_RECORD).read_text())
    assert (record["pooling"], record["patches"]["layers"]) == ("patch_mean", [1])
