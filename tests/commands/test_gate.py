"""`iad gate` on a repository with the results of made-up methods, changed on purpose. Oracle: what was changed."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

from iad import paths
from iad.commands.gate import gate
from iad.decision.thresholds import is_anomalous
from iad.errors import IadError
from iad.io import write_csv, write_json
from iad.metrics.confusion import confusion
from iad.metrics.image import auroc
from tests.conftest import commit, environment, run, set_params
from tests.helpers import ROOT, load_pipeline
from tests.scored import list_methods

IDS = [f"mono/{row:03d}.png" for row in range(300)]
LABELS = np.repeat([0, 1], [120, 180])
METHODS = ("resnet", "vit")
EXTRA = "  extra: {detector: knn, reads: extract_vit, params: method}\n"


def scores_of(method):
    return np.random.default_rng(METHODS.index(method)).normal(10, 1, len(LABELS)) + 2 * LABELS


def write_results(folder, scores, *, labels=LABELS, ids=IDS, threshold=11.645, **record):
    """Write what `evaluate` writes of it and the gate reads; `record` holds what the threshold says of itself."""
    details = {}
    promise = {"promised_rate": 0.05, "guaranteed": True, "scheme": "split", "n_calibration": 400} | record
    for method, values in scores.items():
        rejected = is_anomalous(values, threshold)
        counted = confusion(labels, rejected)
        metrics = {"auroc": round(auroc(labels, values), 6)}
        metrics |= {"misses": counted.false_negatives, "false_alarms": counted.false_positives}
        write_json(folder / paths.METRICS / f"{method}.json", metrics)
        rows = zip(ids, labels.tolist(), values.tolist(), rejected.astype(int).tolist(), strict=True)
        write_csv(folder / paths.SCORES_CSV / f"{method}.csv", ("image_id", "label", "score", "rejected"), list(rows))
        details[method] = {"threshold": {"value": threshold} | promise}
    write_json(folder / paths.REPORT, {"methods": details})


def results(method=None, scores=None):
    found = {name: scores_of(name) for name in METHODS}
    return found | ({method: scores} if method else {})


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """A repository whose branch main holds results of two methods."""
    folder = tmp_path_factory.mktemp("gate") / "project"
    folder.mkdir()
    run(folder, "git", "init", "--quiet", "--initial-branch", "main")
    set_params(ROOT / paths.PARAMS, folder / paths.PARAMS, {})
    list_methods(folder / paths.PARAMS, METHODS)
    write_results(folder, results())
    commit(folder, "results")
    commit(folder, "nothing")
    return folder


@pytest.fixture
def project(committed, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(committed, tmp_path / "project"))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def ended(capsys):
    """Exit code and output of the gate."""

    def call(revision="main"):
        try:
            gate(revision)
        except typer.Exit as end:
            return end.exit_code, capsys.readouterr().out
        return 0, capsys.readouterr().out

    return call


def rulings(output):
    rows = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in output.splitlines() if "|" in line]
    return {(row[0], row[1]): row[-1] for row in rows[2:]}


def test_identical_results_pass_at_once(project, ended):
    code, output = ended()
    assert code == 0
    assert output.startswith("### Gate: passed\n")
    assert "Identical: every score and verdict of resnet, vit is the same." in output
    assert "|" not in output


def test_small_noise_in_the_scores_passes(project, ended):
    noise = np.random.default_rng(5).normal(0, 0.05, len(LABELS))
    write_results(project, results("vit", scores_of("vit") + noise))
    code, output = ended()
    assert code == 0, output
    assert set(rulings(output).values()) == {"ok"}
    assert len(rulings(output)) == 6 + 1  # and the promise of the method that did not change
    assert "- resnet: every score and verdict is the same" in output


def test_another_seed_of_the_bootstrap_passes(project, ended):
    set_params(project / paths.PARAMS, project / paths.PARAMS, {"seed": 7})
    code, output = ended()
    assert code == 0
    assert "- parameters that differ: seed: 0 -> 7" in output


def test_random_features_fail_for_their_method_alone(project, ended):
    write_results(project, results("vit", np.random.default_rng(9).permutation(scores_of("vit"))))
    code, output = ended()
    assert code == 1
    assert output.startswith("### Gate: regression\n")
    failed = {place for place, ruling in rulings(output).items() if ruling == "FAIL"}
    assert {("vit", "AUROC"), ("vit", "AP"), ("vit", "F1"), ("vit", "misses")} <= failed
    assert not any(method == "resnet" for method, _ in failed)


def test_shuffled_labels_fail(project, ended):
    write_results(project, results(), labels=np.random.default_rng(3).permutation(LABELS))
    code, output = ended()
    assert code == 1
    assert rulings(output)["vit", "AUROC, own labels"] == "FAIL"
    assert re.search(r"- \d+ labels changed, left out of the tests: mono/", output)
    assert re.search(
        r"- of 300 test pictures only \d+ with the same label are here, less than gate.common = 0.8", output
    )


def test_the_self_matched_threshold_fails_by_false_alarms_and_by_its_promise(project, ended):
    write_results(project, results(), threshold=0.0)
    code, output = ended()
    assert code == 1
    for measure in ("false alarms", "promise"):
        assert rulings(output)["vit", measure] == "FAIL"
    assert "- vit: false alarms 100.0 %, promised 5 % from 400: more than chance explains" in output


def test_a_promise_that_the_revision_broke_already_is_a_warning(project, ended):
    write_results(project, results(), promised_rate=0.001)
    commit(project, "a promise that is not kept")
    code, output = ended()
    assert code == 0
    assert "Identical" in output
    told = r"- vit: false alarms (\d\.\d %), promised 0\.1 % from 400: more than chance explains, and no new miss"
    assert re.search(rf"{told} \(\1 before\)", output)


def test_a_promise_that_is_broken_by_a_smaller_number_alone_fails(project, ended):
    # no score and no threshold moved, but what is promised of them did
    write_results(project, results(), promised_rate=0.001)
    code, output = ended()
    assert code == 1
    assert rulings(output)["vit", "promise"] == "FAIL"


def test_a_rate_that_nothing_proves_is_told_and_never_fails_by_itself(project, ended):
    commit(project, "main moves on")
    write_results(project, results(), promised_rate=0.001, guaranteed=False, scheme="jackknife")
    code, output = ended("HEAD^")
    assert code == 0
    assert output.startswith("### Gate: passed, with warnings\n")
    assert re.search(
        r"- vit: false alarms .+, aimed at 0\.1 % from 400: more than it aims at, of which nothing is", output
    )


def test_a_new_method_is_held_to_its_promise_without_a_revision(project, ended):
    with (project / paths.PARAMS).open("a") as file:
        file.write(EXTRA)
    write_results(project, results("extra", scores_of("vit") + 2), threshold=11.645)
    code, output = ended()
    assert code == 1
    assert rulings(output)["extra", "promise"] == "FAIL"
    assert re.search(r"\| extra +\| promise +\| +- \|", output)


def test_a_revision_and_a_tree_without_promises_say_so(project, ended):
    write_results(project, results(), promised_rate=None)
    code, output = ended()
    assert code == 0
    assert "- vit: its threshold records no promised false-alarm rate" in output


def test_changed_verdicts_are_named_worst_first_and_counted(project, ended):
    scores, threshold = scores_of("vit"), 11.645
    caught = np.flatnonzero((LABELS == 1) & (scores >= threshold))[:7]
    changed = scores.copy()
    changed[caught] = np.arange(len(caught)) + 1.0
    write_results(project, results("vit", changed))
    _, output = ended()
    first = ", ".join(IDS[row] for row in caught[:5])
    assert f"- vit: 7 new misses: {first} and 2 more\n" in output
    assert "resnet: every score and verdict is the same" in output
    assert not re.search(r"resnet: \d", output)


def test_one_picture_is_told_in_the_singular(project, ended):
    scores = scores_of("vit")
    passed = np.flatnonzero((LABELS == 1) & (scores >= 11.645))[0]
    scores[passed] = 1.0
    write_results(project, results("vit", scores))
    assert f"- vit: 1 new miss: {IDS[passed]}\n" in ended()[1]


def test_pictures_that_came_and_went_are_told_and_the_common_ones_compared(project, ended):
    moved = [f"mono/new{row}.png" if row < 10 else name for row, name in enumerate(IDS)]
    write_results(project, results(), ids=moved)
    code, output = ended()
    assert code == 0
    assert "- the test pictures differ: 10 gone, 10 new; the tests compare the 290 common ones" in output
    write_results(project, results(), ids=[f"mono/new{row}.png" if row < 100 else name for row, name in enumerate(IDS)])
    code, output = ended()
    assert code == 1
    assert "- of 300 test pictures only 200 with the same label are here" in output


def test_another_data_set_is_refused(project):
    write_results(project, results(), ids=[name.replace("mono", "poly") for name in IDS])
    with pytest.raises(IadError, match="main: no test picture of resnet is here with the same label"):
        gate("main")
    set_params(project / paths.PARAMS, project / paths.PARAMS, {"data": {"source": "mvtec", "category": "screw"}})
    with pytest.raises(IadError, match=r"main: its pictures are elpv/mono, those here mvtec/screw"):
        gate("main")


def test_a_method_that_vanished_fails_unless_it_is_no_longer_listed(project, ended):
    write_results(project, {"resnet": scores_of("resnet")})
    code, output = ended()
    assert code == 1
    assert "- vit: listed in params.yaml, but without results here; run `dvc repro`" in output
    text = (project / paths.PARAMS).read_text()
    (project / paths.PARAMS).write_text(text[: text.index("  vit: {detector: knn, reads")])
    code, output = ended()
    assert code == 0
    assert "- vit: has results at main and is no longer listed in params.yaml" in output


def test_a_new_method_is_told(project, ended):
    with (project / paths.PARAMS).open("a") as file:
        file.write(EXTRA)
    write_results(project, results("extra", scores_of("vit")))
    code, output = ended()
    assert code == 0
    assert "- extra: new, nothing to compare with" in output


def test_metrics_and_scores_of_two_runs_fail(project, ended):
    write_json(paths.METRICS / "vit.json", {"auroc": 0.999, "misses": 0, "false_alarms": 0})
    code, output = ended()
    assert code == 1
    assert "vit: metrics and scores here are not of one run: auroc is 0.999, but the scores give 0.9" in output


def test_without_a_revision_main_is_taken_and_its_parent_where_main_is_what_lies_here(project, ended):
    assert "against main^ (" in ended("")[1]
    write_results(project, results("vit", scores_of("vit") + 1e-3))
    assert "against main (" in ended("")[1]
    run(project, "git", "switch", "--quiet", "--create", "topic")
    commit(project, "on a branch")
    assert "against main (" in ended("")[1]


def test_a_branch_that_lacks_commits_of_main_is_told(project, ended):
    run(project, "git", "switch", "--quiet", "--create", "topic", "HEAD^")
    assert "- the checked-out branch lacks 1 commit of main; merge first" in ended()[1]


def test_what_cannot_be_compared_is_refused_in_one_line(project, tmp_path):
    # an unknown revision
    with pytest.raises(IadError, match="revision 'mian': unknown here"):
        gate("mian")
    # a revision that looks like an option
    with pytest.raises(IadError, match="revision '--all': unknown here"):
        gate("--all")
    # broken files
    (project / paths.SCORES_CSV / "vit.csv").write_text("image_id,label\na,1\n")
    with pytest.raises(IadError, match=r"vit\.csv of the working tree: needs rows with image_id, label, score"):
        gate("main")
    (project / paths.REPORT).write_text("{")
    with pytest.raises(IadError, match=r"report\.json of the working tree: not valid JSON"):
        gate("main")
    # no results
    (project / paths.REPORT).unlink()
    with pytest.raises(IadError, match=r"report\.json of the working tree: missing; run `dvc repro`"):
        gate("main")


def test_a_shallow_clone_names_the_setting_of_ci(project, tmp_path, monkeypatch):
    run(tmp_path, "git", "clone", "--quiet", "--depth", "1", f"file://{project}", "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    with pytest.raises(IadError, match=r"revision 'HEAD\^': not here: the clone is shallow; .*fetch-depth: 0"):
        gate("HEAD^")


def test_the_command_ends_with_1_on_a_regression_and_0_otherwise(project):
    command = [sys.executable, "-m", "iad", "gate", "main"]
    assert subprocess.run(command, cwd=project, env=environment(), capture_output=True).returncode == 0
    write_results(project, results(), threshold=0.0)
    ended = subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_the_commands_import_nothing_heavy_and_the_gate_neither_scipy_stats_nor_torch(project):
    commands = "import iad.commands.gate, iad.commands.table, iad.commands.results, sys;"
    light = "assert not {'numpy', 'pandas', 'pydantic', 'iad.config'} & set(sys.modules);"
    run_gate = "iad.commands.gate.gate('main');"
    heavy = "assert not {'scipy.stats', 'sklearn', 'matplotlib', 'torch'} & set(sys.modules)"
    command = [sys.executable, "-c", commands + light + run_gate + heavy]
    ended = subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_the_threshold_stage_depends_on_calibration_scores_alone():
    # with `threshold` seeing no test score by DVC's own account, none can set a threshold
    stages = [stage for stage in load_pipeline().values() if stage.group == "threshold"]
    assert stages
    for stage in stages:
        method = stage.arguments[0]
        calibration = (paths.SCORE / method / paths.CALIBRATION_SCORES).as_posix()
        assert {dep for dep in stage.deps if not dep.startswith("iad/")} == {calibration}


def test_the_threshold_stage_opens_no_test_score(tmp_path, monkeypatch):
    from iad.io import read_table
    from iad.stages.threshold import threshold
    from tests.scored import write_scored

    write_scored(tmp_path)
    monkeypatch.chdir(tmp_path)
    place = paths.SCORE / "vit"
    calibration, test = (
        set(read_table(place / name)["image_id"]) for name in (paths.CALIBRATION_SCORES, paths.TEST_SCORES)
    )
    assert not calibration & test
    threshold("vit")
    with_test = json.loads((paths.THRESHOLD / "vit" / paths.THRESHOLD_FILE).read_text())
    (place / paths.TEST_SCORES).write_bytes(b"not a table")
    threshold("vit")
    assert json.loads((paths.THRESHOLD / "vit" / paths.THRESHOLD_FILE).read_text()) == with_test
