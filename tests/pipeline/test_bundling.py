"""Bundles of what the stages left, where pictures were set apart; and the revision that they name."""

import shutil
import subprocess
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest

from iad import paths
from iad.bundles.bundle import read_bundle
from iad.bundles.predictor import load
from iad.config import load_params
from iad.errors import IadError
from iad.io import read_json, read_table
from iad.pipeline.bundling import collect, require_method, revision
from tests.bundled import bundle_of, every_method, iad, pictures_of, run_project
from tests.conftest import commit, run, shared
from tests.helpers import ROOT

APART = 5
LAYOUT = {"train/good": slice(0, 11), "calibration/good": slice(11, 16)}


@pytest.fixture(scope="module")
def set_apart(tiny_template, tmp_path_factory):
    """A project of a folder with a part that sets the threshold, and a method that keeps a share of its patches."""

    def make(folder):
        with chdir(every_method(tmp_path_factory, tiny_template)):
            given = {place: [path.absolute() for path in pictures_of("train")[part]] for place, part in LAYOUT.items()}
            for kind in ("good", "bad"):
                found = [path for path in pictures_of("test") if ("good" in path.as_posix()) == (kind == "good")]
                given[f"test/{kind}"] = [path.absolute() for path in found[:4]]
        for place, files in given.items():
            (folder / "data/bolts" / place).mkdir(parents=True)
            for number, file in enumerate(files):
                shutil.copy(file, folder / "data/bolts" / place / f"{number:02}.png")
        overlay = {
            "data": {"source": "folder", "category": "bolts"}, "compute": {"precision": "fp32"},
            "patch": {"coreset_sampling_ratio": 0.1},
        }  # fmt: skip
        run_project(tiny_template, folder, overlay, ("vit", "patch_vit"))

    return shared(tmp_path_factory, "set_apart", make)


@pytest.fixture
def project(set_apart, tmp_path, monkeypatch, as_the_pipeline):
    folder = Path(shutil.copytree(set_apart, tmp_path / "project"))
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("method", ["vit", "patch_vit"])
def test_pictures_set_apart_calibrate_and_are_not_among_those_fitted_to(project, method):
    bundle = collect(load_params(), method)
    table = read_table(paths.SCORE / method / paths.CALIBRATION_SCORES)
    assert bundle.set_apart
    assert (bundle.calibration.rows == -1).all()
    assert (len(bundle.pictures), len(bundle.calibration.pictures)) == (11, APART)
    assert not set(bundle.pictures.sha256) & set(bundle.calibration.pictures.sha256)
    np.testing.assert_array_equal(bundle.calibration.scores, table["score"])
    assert (bundle.threshold.scheme, bundle.threshold.guaranteed) == ("split", True)
    assert bundle.threshold.value == read_json(paths.THRESHOLD / method / paths.THRESHOLD_FILE)["value"]


def test_pictures_set_apart_are_kept_when_asked_for_and_go_on_calibrating(project):
    good = sorted(Path("data/bolts/test").rglob("*.png"))  # all of them, so that some lie near the calibrating ones
    for method, part in (("vit", "pooled"), ("patch_vit", "patches")):
        file = bundle_of(method, "--extendable")
        before = read_bundle(file)[0]
        assert before.calibration.kept[part].shape[0] == APART
        iad("bundle", "add", file, *good)
        after = read_bundle(file)[0]
        assert len(after.pictures) == 11 + len(good)
        assert after.calibration.pictures == before.calibration.pictures
        assert after.set_apart
        calibrating = sorted(Path("data/bolts/calibration/good").iterdir())
        scores = [one.pred_score for one in load(file).predict(calibrating)]
        np.testing.assert_array_equal(after.calibration.scores, scores)
        assert after.calibration.scores.tolist() != before.calibration.scores.tolist()


def test_a_picture_set_apart_is_not_added(project):
    file = bundle_of("vit", "--extendable")
    before = file.read_bytes()
    assert "5 left out, which the bundle knows already" in iad("bundle", "add", file, "data/bolts/calibration")
    assert file.read_bytes() == before


def test_the_revision_is_the_commit_and_says_where_files_differ(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert revision() is None
    run(tmp_path, "git", "init", "--quiet")
    assert revision() is None  # nothing is committed yet
    Path("a").write_text("1")
    commit(tmp_path, "one")
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert revision() == head
    Path("untracked").write_text("1")
    assert revision() == head
    Path("a").write_text("2")
    assert revision() == f"{head}+"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert revision() is None  # no Git at all


@pytest.mark.parametrize(("method", "said"), [
    ("padim_resnet", r"^method 'padim_resnet' is switched off: params\.yaml does not list it under methods; add it"),
    ("lof", r"^method 'lof' is switched off"), ("vti", r"^unknown method 'vti'; did you mean 'vit'\?"),
    ("knn", r"^unknown method 'knn'"),
])  # fmt: skip
def test_a_method_that_is_switched_off_is_told_from_one_that_nobody_knows(method, said):
    with pytest.raises(IadError, match=said):
        require_method(load_params(ROOT / paths.PARAMS), method)
