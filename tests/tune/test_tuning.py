"""`iad tune` on the tiny project: what it tries, what it writes, and what it refuses."""

import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from iad import paths
from iad.cli import app
from iad.config import load_params
from iad.errors import IadError
from iad.tune import candidates
from iad.tune.candidates import Candidate, methods_of
from iad.tune.choosing import Tried
from iad.tune.tuning import Run, Tuned
from tests.helpers import load_pipeline, run_here


@pytest.fixture(scope="module")
def downloaded(tiny_template, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tune") / "project"
    shutil.copytree(tiny_template, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_here(load_pipeline(folder)["download"])
    return folder


@pytest.fixture
def project(downloaded, tmp_path, monkeypatch):
    folder = shutil.copytree(downloaded, tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def layers(monkeypatch):
    monkeypatch.setattr(candidates, "LAYERS", {"test_vit": ((2,),), "test_resnet": ((1,),)})


def test_every_setting_is_tried_and_the_same_comes_out_again(project, layers, as_the_pipeline):
    found, again = (Run(load_params(), 60).search() for _ in range(2))
    sizes, second, last = (tried for _, tried in found.steps)
    assert found.default == Candidate("hybrid", 64)
    assert {one.candidate.method for one in sizes} == {"patch_resnet", "patch_vit", "hybrid"}
    assert len(sizes) == 5  # each method, and the hybrid with two other weights
    assert len(second) in {2, 3}  # what was chosen, and one more set of layers of each of its backbones
    assert len(last) == 4
    assert all(0 <= one.low <= one.value <= one.high <= 1 for _, tried in found.steps for one in tried)
    assert [one.value for one in sizes] == [one.value for one in again.steps[0][1]]
    assert (found.compared, found.apart) == (11, 5)
    assert not found.skipped


def test_the_command_prints_a_table_and_writes_nothing_unasked(project, layers, as_the_pipeline):
    before = paths.PARAMS.read_bytes()
    found = CliRunner().invoke(app, ["tune"], catch_exceptions=False)
    assert found.exit_code == 0
    assert "11 good pictures compared with, 5 apart" in found.output
    assert "hybrid, 64 px, hybrids.hybrid.weights = 3 1" in found.output
    assert paths.PARAMS.read_bytes() == before


def test_what_takes_too_long_is_left_out_and_named(project, layers, as_the_pipeline):
    run = Run(load_params(), 60)
    run.views.seconds = {}
    run.compare([run.default])
    run.end = 0.0
    default, other = run.default, Candidate("patch_vit", 224)
    assert [one for one, _ in run.compare([default, Candidate("patch_vit", 64), other])] == [
        default, Candidate("patch_vit", 64),
    ]  # fmt: skip  # what needs no view of its own costs nothing
    assert run.skipped == ["patch_vit, 224 px"]


def test_what_was_chosen_is_written_and_the_rest_of_the_file_stays(project, monkeypatch):
    default = Candidate("hybrid", 64)
    chosen = Candidate(
        "hybrid", 48, {"hybrids.hybrid.weights": [3, 1], "vit.patches.layers": [2], "patch.top_share": 0.03}
    )
    one = Tried(chosen, 0.8, 0.7, 0.9, None, 1.0)
    monkeypatch.setattr(Run, "__init__", lambda *_: None)
    monkeypatch.setattr(Run, "search", lambda _: Tuned(default, chosen, [("size", [one])], [], 11, 5))
    before = load_params()
    found = CliRunner().invoke(app, ["tune", "--write"], catch_exceptions=False)
    after = load_params()
    assert "preprocess.image_size: 64 -> 48" in found.output
    assert (after.preprocess.image_size, after.hybrids["hybrid"].weights) == (48, (3, 1))
    assert (after.vit.patches.layers, after.patch.top_share) == ((2,), 0.03)
    assert after == chosen.params(before).model_copy(update={"preprocess": after.preprocess})
    assert "# " in paths.PARAMS.read_text()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("patch.aggregate", "reweighted"), "tune: patch.aggregate = reweighted, with which nothing is tried"),
        (("patch.foreground", "pca"), "tune: patch.foreground = pca, with which nothing is tried"),
    ],
)
def test_settings_that_cannot_be_compared_are_refused(project, change, told):
    given = Candidate("hybrid", 64).also(*change).params(load_params())
    with pytest.raises(IadError, match=told):
        Run(given, 1)


def test_without_pictures_or_patch_methods_one_line_says_so(project):
    params = load_params()
    none = params.model_copy(update={"methods": {name: params.methods[name] for name in ("ae", "vit")}})
    assert methods_of(none) == []
    with pytest.raises(IadError, match=r"^tune: no patch method in params.yaml"):
        Run(none, 1)
    shutil.rmtree(paths.STAGES / "download")
    with pytest.raises(IadError, match=r"dvc repro"):
        Run(params, 1)


def test_scores_are_those_of_the_detectors_themselves(project, as_the_pipeline):
    from iad.detectors.embeddings import Embeddings
    from iad.detectors.patch.detector import Detector
    from iad.features.embedder import Embedder

    params = load_params()
    run = Run(params, 60)
    trial, size = run.views.trial, run.size(run.default)
    embedder = Embedder(params.vit, size, parts=("patches",))
    detector = Detector(params.patch).fit(Embeddings(**embedder.embed(trial.compared)))
    pictures = np.concatenate([trial.apart[None], trial.painted]).reshape(-1, *trial.apart.shape[1:])
    wanted = detector.predict(Embeddings(**embedder.embed(pictures))).pred_score
    assert run.views.scores(params, "patch_vit", size) == pytest.approx(wanted, rel=1e-5)


def test_layers_without_the_one_whose_grid_is_asked_for_are_not_tried(project, layers):
    params = Candidate("patch_vit", 64).also("vit.patches.grid", 4).params(load_params())
    assert list(candidates.layers_then(params, Candidate("patch_vit", 64), 64)) == []
    assert len(list(candidates.layers_then(load_params(), Candidate("patch_vit", 64), 64))) == 1
