"""The whole DAG through DVC, on a tiny project: reproducible, resumable, shareable, and experiments on top."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from iad.data.carpet import DEFECTS
from tests.conftest import DVC, commit, environment, run, set_params
from tests.helpers import read_yaml, with_ctrl_c
from tests.scored import list_methods

FEW = ("ae", "vit")
"""Methods of the tests that compute the whole DAG; all six would take twice as long and show no more."""


def dvc(folder, *arguments, check=True):
    found = run(folder, *DVC, *arguments, check=check)
    return found.stdout + found.stderr


def start(folder, *command):
    """Start a command in a process group of its own, as `run` would run it."""
    return subprocess.Popen(
        command, cwd=folder, env=environment(), start_new_session=True, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def hashes(folder):
    """Everything that `dvc.lock` says about results: path and hash of each output."""
    stages = read_yaml(folder / "dvc.lock")["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}


def ran(output):
    """The stages that a run of DVC executed."""
    return set(re.findall(r"Running stage '([^']+)'", output))


@pytest.fixture(scope="module")
def smaller(reproduced, tmp_path_factory):
    """The reproduced project with few methods, reproduced again and committed."""
    folder = Path(shutil.copytree(reproduced, tmp_path_factory.mktemp("smaller") / "project"))
    list_methods(folder / "params.yaml", FEW)
    for place in ("align", "score", "threshold"):
        for left in (folder / "stages" / place).iterdir():
            if left.is_dir() and left.name not in FEW:
                shutil.rmtree(left)
    assert ran(dvc(folder, "repro")) == {"evaluate", "report"}
    commit(folder, "few methods")
    return folder


@pytest.fixture
def project(smaller, tmp_path):
    """A copy of it, cache included."""
    return Path(shutil.copytree(smaller, tmp_path / "project"))


def test_every_method_has_metrics_scores_and_figures(reproduced):
    for method in ("ae", "resnet", "vit"):
        metrics = json.loads((reproduced / f"metrics/{method}.json").read_text())
        assert 0 <= metrics["auroc_low"] <= metrics["auroc"] <= metrics["auroc_high"] <= 1
        assert len(metrics) <= 10
        with (reproduced / f"plots/scores/{method}.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 6 + 2 * len(DEFECTS)
        assert sum(row["label"] == "0" and row["rejected"] == "1" for row in rows) == metrics["false_alarms"]
        for kind in ("histograms", "confusion", "misses", "false_alarms"):
            Image.open(reproduced / f"plots/{kind}/{method}.png").verify()


def test_no_artefact_lies_on_the_disk_twice(reproduced):
    # DVC keeps a copy beside its cache unless hard links come first in cache.type, where there are no reflinks
    for path in (reproduced / "stages").glob("**/*.npy"):
        assert path.stat().st_nlink == 2, f"{path} is not linked to the cache"


def test_a_second_run_does_nothing(reproduced_copy):
    assert ran(dvc(reproduced_copy, "repro")) == set()
    assert dvc(reproduced_copy, "status").strip() == "Data and pipelines are up to date."


def test_a_second_clone_that_is_killed_again_and_again_ends_in_the_same_bytes(reproduced, tmp_path):
    # with an empty cache, and in a process per stage, while those of `reproduced` were computed by one process
    run(tmp_path, "git", "clone", "--quiet", str(reproduced), "clone")
    clone = tmp_path / "clone"
    (clone / "dvc.lock").unlink()
    shutil.rmtree(clone / "plots")
    for place in ("stages/download", "stages/preprocess", "stages/train_ae", "stages/extract_vit", "plots"):
        process = start(clone, *DVC, "repro", "--no-run-cache")
        deadline = time.monotonic() + 300
        while not (clone / place).exists():
            assert process.poll() is None, f"the run ended before it wrote {place}"
            assert time.monotonic() < deadline, f"no {place} after minutes"
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    dvc(clone, "repro", "--no-run-cache")
    assert hashes(clone) == hashes(reproduced)
    left = [path for path in clone.glob("[!.]*/**/*") if path.name.endswith(".part")]
    assert left == [], "half-written files are left"


def test_an_interrupted_stage_says_so_in_one_line_and_leaves_nothing_half_written(project):
    shutil.rmtree(project / "stages/train_ae")
    set_params(project / "params.yaml", project / "params.yaml", {"ae": {"epochs": 100_000, "patience": 100_000}})
    process = subprocess.Popen(
        [sys.executable, "-m", "iad", "train_ae"], cwd=project, stderr=subprocess.PIPE, text=True,
        preexec_fn=with_ctrl_c,
    )  # fmt: skip
    while not (project / "stages/train_ae/history.csv").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.count("\n") == 1
    assert "interrupted" in errors
    assert {path.name for path in (project / "stages/train_ae").iterdir()} == {"history.csv"}


def test_an_experiment_with_another_k_runs_the_neighbour_methods_alone(project):
    output = dvc(project, "exp", "run", "-S", "method.k=1")
    assert ran(output) == {"score@vit", "threshold@vit", "evaluate", "report"}
    changed = dvc(project, "metrics", "diff", "HEAD", "--md")
    assert "metrics/vit.json" in changed
    assert "metrics/ae.json" not in changed


def test_switching_a_method_off_removes_it_from_the_results_and_on_again_computes_nothing(project):
    before = hashes(project)
    assert ran(dvc(project, "exp", "run", "-S", "~methods.ae")) == {"evaluate", "report"}
    assert not (project / "metrics/ae.json").exists()
    assert (project / "stages/score/ae").is_dir(), "evaluate deletes what another stage wrote"
    run(project, "git", "checkout", "--", "params.yaml")
    dvc(project, "repro")
    assert hashes(project) == before
    assert (project / "metrics/ae.json").exists()


def test_push_and_pull_bring_a_fresh_clone_to_the_results_without_computing(project, tmp_path):
    remote = tmp_path / "remote"
    dvc(project, "remote", "add", "--default", "store", str(remote))
    commit(project, "remote")
    dvc(project, "push")
    run(tmp_path, "git", "clone", "--quiet", str(project), "clone")
    clone = tmp_path / "clone"
    dvc(clone, "pull")
    assert ran(dvc(clone, "repro")) == set()
    assert hashes(clone) == hashes(project)


def test_a_temporary_experiment_sees_a_folder_data_set_that_dvc_tracks(project):
    folder = project / "data" / "my parts"
    for kind, count, level in (("good", 20, 90), ("bad", 4, 200)):
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            picture = Image.effect_noise((64, 64), 40).point(lambda value, level=level: value // 2 + level // 2)
            picture.save(folder / kind / f"{number:02}.png")
    dvc(project, "add", "data/my parts")
    commit(project, "my parts")
    output = dvc(project, "exp", "run", "--temp", "-S", "data.source=folder", "-S", "data.category='my parts'")
    assert {"download", "train_ae", "evaluate"} <= ran(output)
    assert read_yaml(project / "params.yaml")["data"]["source"] == "synthetic", "the workspace stays as it was"
    shown = json.loads(dvc(project, "exp", "show", "--json"))
    experiments = [entry for commit_ in shown for entry in commit_.get("experiments") or []]
    revision = experiments[0]["revs"][0]["data"]
    assert revision["params"]["params.yaml"]["data"]["data"]["category"] == "my parts"
    assert revision["metrics"]["metrics/vit.json"]["data"]["auroc"] > 0.5


def test_every_plot_renders(reproduced_copy):
    dvc(reproduced_copy, "plots", "show")
    page = (reproduced_copy / "dvc_plots/index.html").read_text()
    for kind in ("histograms", "confusion", "misses", "false_alarms"):
        for method in ("ae", "resnet", "vit"):
            assert re.search(f"{kind}.{method}.png", page), f"{kind} of {method} is not on the page"
    for title in ("Precision and recall", "ROC", "Autoencoder loss"):
        assert page.count(f'"{title}"') == 1, f"{title} must appear once"
    assert "<DVC_METRIC" not in page, "a template is left unfilled"
