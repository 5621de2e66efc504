"""Real pictures of screws in MVTec layout, from the folder that IAD_SCREW names, through all three methods."""

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from iad import paths
from iad.io import open_array, read_table
from tests.conftest import set_params
from tests.helpers import load_pipeline, read_yaml, run_here

FOLDER = os.environ.get("IAD_SCREW")
pytestmark = pytest.mark.skipif(not FOLDER, reason="IAD_SCREW names no folder of screws in MVTec layout")


def test_screws_run_through_the_folder_source_with_every_method(tiny_project, monkeypatch):
    shutil.copytree(Path(FOLDER), tiny_project / "data/screw")
    chosen = {"data": {"source": "folder", "category": "screw"}, "ae": {"epochs": 1}}
    set_params(tiny_project / "params.yaml", tiny_project / "params.yaml", chosen)
    monkeypatch.chdir(tiny_project)
    for stage in load_pipeline(tiny_project).values():
        run_here(stage)
    manifest = read_table(paths.MANIFEST)
    good = len(list(Path(FOLDER).glob("train/good/*.png")))
    assert Counter(manifest["split"])["train"] == good
    defective = manifest["label"] == 1
    assert set(manifest["defect"][defective]) == {p.name for p in Path(FOLDER).glob("ground_truth/*")}
    masks = open_array(paths.MASKS)
    assert (masks[defective].sum(axis=(1, 2)) > 0).all(), "a mask lost its defect"
    assert not masks[~defective].any()
    for method in read_yaml(tiny_project / "params.yaml")["methods"]:
        metrics = json.loads((paths.METRICS / f"{method}.json").read_text())
        assert metrics["false_alarms"] + metrics["misses"] <= len(manifest["label"]) - good
