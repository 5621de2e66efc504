"""The worked example of docs/detectors.md, followed step by step in a copy of the package."""

import re
import shutil
import sys
from pathlib import Path

import numpy as np

from iad import paths
from iad.data.manifest import read_manifest
from iad.io import read_table
from tests.conftest import run
from tests.helpers import ROOT
from tests.prepared import write_features, write_prepared

PAGE = (ROOT / "docs/detectors.md").read_text(encoding="utf-8")


def block(place):
    """The fenced block whose first line names this place, without that line."""
    return re.search(rf"^```\w+\n# {re.escape(place)}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[1]


def insert(path, before, lines):
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1
    path.write_text(text.replace(before, before + lines), encoding="utf-8")


def test_the_worked_example_adds_a_detector(tiny_template, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    methods = {"centroid": {"reads": "extract_vit", "params": "classical.centroid"}}
    write_prepared(tiny_template, tmp_path, methods=methods)
    features = write_features(Path(), paths.EXTRACT_VIT).astype(np.float64)
    shutil.copytree(ROOT / "iad", "iad", ignore=shutil.ignore_patterns("__pycache__"))
    module = "iad/detectors/classical/centroid.py"
    Path(module).write_text(block(module), encoding="utf-8")
    registry = Path("iad/detectors/classical/__init__.py")
    insert(registry, "DETECTORS = {\n", block(f"{registry}, in DETECTORS"))
    model = Path("iad/params/detectors.py")
    insert(model, "    zscore: ZScore\n", block(f"{model}, in Classical"))
    text = paths.PARAMS.read_text(encoding="utf-8")
    heading = re.search(r"^classical:.*\n", text, flags=re.MULTILINE)[0]
    insert(paths.PARAMS, heading, block("params.yaml, in classical"))
    run(tmp_path, sys.executable, "-m", "iad", "score", "centroid")
    manifest = read_manifest(paths.MANIFEST)
    mean = features[manifest["split"] == "train"].mean(axis=0)
    new = features[manifest["split"] == "test"]
    wanted = [1 - row @ mean / np.sqrt(row @ row * (mean @ mean)) for row in new]
    np.testing.assert_allclose(read_table(paths.SCORE / "centroid" / paths.TEST_SCORES)["score"], wanted)
