"""Commits under `refs/exps`, as DVC keeps finished experiments, are written by hand; the numbers are scikit-learn's."""

import csv
import io
import json
import re
import shutil

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from iad import paths
from iad.commands.table import table
from iad.errors import IadError
from iad.io import write_json
from tests.conftest import commit, run, set_params
from tests.helpers import ROOT


def write_run(folder, category, seed=0, methods=("cnn", "vit"), **overlay):
    """What `evaluate` leaves, as far as the table reads it."""
    shutil.rmtree(folder / paths.PLOTS, ignore_errors=True)
    data = {"source": "mvtec", "category": category}
    set_params(ROOT / paths.PARAMS, folder / paths.PARAMS, {"data": data, "evaluate": {"bootstrap": 100}} | overlay)
    source, category_line = f"          source: {data['source']}", f"          category: {data['category']}"
    lock = ["stages:", "  download:", "    params:", "      params.yaml:", "        data:", source, category_line]
    (folder / paths.LOCK).write_text("\n".join([*lock, "  preprocess:", "    cmd: python", ""]))
    (folder / paths.SCORES_CSV).mkdir(parents=True)
    (folder / paths.REPORT).write_text(json.dumps({"methods": {method: {} for method in methods}}))
    areas = {}
    for row, method in enumerate(methods):
        generator = np.random.default_rng(100 * seed + row)
        labels = np.array([0] * 15 + [1] * 25)
        scores = generator.normal(size=40) + labels
        lines = [f"{n}.png,{label},{score!r},{int(score > 1)}\n" for n, (label, score) in
                 enumerate(zip(labels.tolist(), scores.tolist(), strict=True))]  # fmt: skip
        text = "image_id,label,score,rejected\n" + "".join(lines)
        (folder / paths.SCORES_CSV / f"{method}.csv").write_text(text)
        areas[method] = roc_auc_score(labels, scores)
        write_json(folder / paths.METRICS / f"{method}.json", {"auroc": round(areas[method], 6)})
    return areas


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    run(folder, "git", "init", "--quiet")
    write_run(folder, "screw")
    commit(folder, "start")
    return folder


def experiment(folder, name, category, when, **options):
    """Finish an experiment at second `when`: a commit that no branch holds, under the ref that DVC gives it."""
    base = run(folder, "git", "rev-parse", "HEAD").stdout.strip()
    areas = write_run(folder, category, **options)
    run(folder, "git", "add", "--all")
    tree = run(folder, "git", "write-tree").stdout.strip()
    stamp = f"GIT_COMMITTER_DATE=@{when} +0000"
    made = run(folder, "env", stamp, "git", "commit-tree", tree, "-p", base, "-m", name).stdout.strip()
    run(folder, "git", "update-ref", f"refs/exps/{base[:2]}/{base[2:]}/{name}", made)
    run(folder, "git", "reset", "--quiet", "--hard")
    return areas


def stashed(folder, name, category, ref):
    """An experiment without results, as DVC's queue keeps it: in the log of a reference."""
    base = run(folder, "git", "rev-parse", "HEAD").stdout.strip()
    set_params(folder / paths.PARAMS, folder / paths.PARAMS, {"data": {"source": "mvtec", "category": category}})
    run(folder, "git", "add", "--all")
    tree = run(folder, "git", "write-tree").stdout.strip()
    made = run(folder, "git", "commit-tree", tree, "-p", base, "-m", name).stdout.strip()
    message = f"commit: dvc-exp:{base}:{base}:{name}"
    run(folder, "git", "update-ref", "--create-reflog", "-m", message, f"refs/exps/celery/{ref}", made)
    run(folder, "git", "reset", "--quiet", "--hard")


def printed(capsys, *names, **options):
    capsys.readouterr()
    table(list(names), **({"metric": "auroc", "markdown": False, "as_csv": False} | options))
    return capsys.readouterr().out


def values(text):
    rows = list(csv.DictReader(io.StringIO(text)))
    return {(row["category"], row["method"]): float(row["value"]) for row in rows}


def test_the_workspace_and_every_experiment_give_a_row_and_the_mean_is_last(project, capsys):
    expected = {"carpet": experiment(project, "odd-name", "carpet", 1000, seed=1)}
    expected["zipper"] = experiment(project, "late-one", "zipper", 2000, seed=2)
    expected["screw"] = write_run(project, "screw")
    found = values(printed(capsys, as_csv=True))
    for category, areas in expected.items():
        for method, area in areas.items():
            assert found[category, method] == pytest.approx(area, abs=1e-6)
    for method in ("cnn", "vit"):
        mean = np.mean([areas[method] for areas in expected.values()])
        assert found["mean", method] == pytest.approx(mean, abs=1e-6)
    lines = printed(capsys).splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["carpet", "screw", "zipper", "mean"]
    assert "carpet from odd-name, screw from workspace, zipper from late-one" in lines[-1]


def test_a_markdown_table_has_a_column_per_method(project, capsys):
    lines = printed(capsys, markdown=True).splitlines()
    assert lines[:2] == ["| category | good + defective | cnn | vit |", "|:--|:--|--:|--:|"]
    assert re.fullmatch(r"\| screw \| 15 \+ 25 \| 0\.\d{3} \[0\.\d{3}, \d\.\d{3}\] \| .+ \|", lines[2])


def test_of_two_experiments_of_a_category_the_newest_counts_and_the_other_is_named(project, capsys):
    experiment(project, "old-one", "carpet", 1000, seed=1)
    newest = experiment(project, "new-one", "carpet", 2000, seed=2)
    assert values(printed(capsys, as_csv=True))["carpet", "cnn"] == pytest.approx(newest["cnn"], abs=1e-6)
    assert "left out: old-one (name the runs" in printed(capsys)


def test_named_runs_alone_are_shown_experiments_and_revisions_alike(project, capsys):
    old = experiment(project, "old-one", "carpet", 1000, seed=1)
    experiment(project, "new-one", "carpet", 2000, seed=2)
    found = values(printed(capsys, "old-one", "HEAD", as_csv=True))
    assert found["carpet", "cnn"] == pytest.approx(old["cnn"], abs=1e-6)
    assert {category for category, _ in found} == {"carpet", "screw", "mean"}
    with pytest.raises(IadError, match=r"revision 'nowhere': unknown here"):
        table(["nowhere"])


def test_parameters_that_differ_between_categories_are_told_and_data_is_not(project, capsys):
    experiment(project, "one", "carpet", 1000, method={"k": 1})
    text = printed(capsys)
    assert "categories differ in method.k: carpet 1, screw 5" in text
    assert "data." not in text


def test_a_method_that_one_category_lacks_is_a_dash_there_and_in_the_mean(project, capsys):
    experiment(project, "one", "carpet", 1000, methods=("cnn",))
    rows = [line.split() for line in printed(capsys).splitlines()]
    assert rows[2][-1] == "-"
    assert rows[4][-1] == "-"


def test_a_workspace_whose_category_was_changed_after_the_run_is_left_out_and_said(project, capsys):
    experiment(project, "one", "carpet", 1000)
    set_params(paths.PARAMS, paths.PARAMS, {"data": {"source": "mvtec", "category": "zipper"}})
    text = printed(capsys)
    assert "left out: workspace: its results are of mvtec/screw, but params.yaml says mvtec/zipper" in text
    assert [line.split()[0] for line in text.splitlines()[2:4]] == ["carpet", "mean"]


def test_categories_that_failed_or_wait_are_named_beside_the_mean(project, capsys):
    experiment(project, "one", "carpet", 1000)
    for name, category, ref in (
        ("sad-zipper", "zipper", "failed"), ("sad-bolt", "bolt", "failed"), ("late-nut", "nut", "stash"),
        ("sad-carpet", "carpet", "failed"),  # which another one finished
    ):  # fmt: skip
        stashed(project, name, category, ref)
    text = printed(capsys)
    assert "no results of bolt: sad-bolt failed (`dvc queue logs sad-bolt` says why)\n" in text
    assert "no results of nut: late-nut waits in the queue\nno results of zipper: sad-zipper failed" in text
    assert "means are of the 2 categories that have results\n" in text
    assert "carpet: sad" not in text
    lines = printed(capsys, as_csv=True).splitlines()
    assert lines[-3:] == ["bolt,,auroc,,,", "nut,,auroc,,,", "zipper,,auroc,,,"]
    assert "no results of" not in printed(capsys, "one")
    with pytest.raises(
        IadError, match=r"^experiment 'sad-bolt': has no results, since it failed; `dvc queue logs sad-"
    ):
        table(["sad-bolt"])
    with pytest.raises(IadError, match=r"^experiment 'late-nut': has no results, since it waits in the queue$"):
        table(["one", "late-nut"])


def test_without_any_result_it_says_where_to_read_on(project):
    shutil.rmtree(paths.PLOTS)
    with pytest.raises(IadError, match=r"no results to sum up .+ see README\.md, section All categories"):
        table([])


def test_an_unknown_metric_and_a_folder_without_git_are_refused(project, tmp_path, monkeypatch):
    with pytest.raises(IadError, match="unknown metric 'auc'"):
        table([], metric="auc")
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.copy(project / paths.PARAMS, outside)
    monkeypatch.chdir(outside)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    with pytest.raises(IadError, match=r"git rev-parse: .*not a git repository"):
        table([])
