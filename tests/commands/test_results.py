"""Oracle: the metrics that `evaluate` wrote."""

import json

import numpy as np
import pytest

from iad import paths
from iad.commands.results import results
from iad.errors import IadError
from iad.io import read_json, read_table, write_json, write_table
from iad.stages.evaluate import evaluate
from iad.stages.threshold import threshold
from tests.conftest import set_params
from tests.scored import METHODS, write_maps, write_scored


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """A folder, the current one, in which every method was evaluated."""
    write_scored(tmp_path)
    monkeypatch.chdir(tmp_path)
    for method in METHODS:
        threshold(method)
    evaluate()


def test_without_results_the_command_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IadError, match=r"report\.json: no results here yet; run `dvc repro`"):
        results()


def test_the_table_holds_the_metrics_of_every_method_and_says_where_the_plots_are(evaluated, tmp_path, capsys):
    capsys.readouterr()
    results()
    table, _, differences, _, costs, plots = capsys.readouterr().out.rstrip().split("\n\n")
    assert "plots/overview.png" in plots.replace("\\", "/")
    rows = {row.split()[0]: row for row in table.splitlines()[2:]}
    assert set(rows) == set(METHODS)
    for method, row in rows.items():
        metrics = json.loads((tmp_path / f"metrics/{method}.json").read_text())
        assert f"{metrics['auroc']:.3f} [{metrics['auroc_low']:.3f}, {metrics['auroc_high']:.3f}]" in row
        assert f" {metrics['f1']:.3f} " in row
        assert f" {metrics['false_alarms']} of " in row
        assert f" {metrics['misses']} of " in row
    report = json.loads((tmp_path / "plots/report.json").read_text())
    assert len(differences.splitlines()) == 2 + 3
    for method, found in report["costs"]["methods"].items():
        (row,) = [line for line in costs.splitlines()[2:] if line.split()[0] == method]
        assert f" {found['deployed']['cost']:.1f} [" in row
    results(markdown=True)
    markdown = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert markdown[1].startswith("|:--|:--|--:|")
    cells = [cell.strip() for cell in markdown[-1].strip("|").split("|")]
    assert "  ".join(cells).split() == table.splitlines()[-1].split()


def test_parameters_that_changed_since_are_told(evaluated, capsys):
    paths.LOCK.write_text("stages: {evaluate: {params: {params.yaml: {evaluate.confidence: 0.95}}}}")
    capsys.readouterr()
    results()
    assert capsys.readouterr().err == ""
    set_params(paths.PARAMS, paths.PARAMS, {"evaluate": {"confidence": 0.9}})
    results()
    said = "params.yaml: evaluate.confidence is 0.9, but the results of evaluate are of 0.95; run `dvc repro`"
    assert capsys.readouterr().err == f"note: {said}\n"


def test_notes_name_the_picture_that_a_threshold_rests_on_and_doubts_about_the_data(evaluated, capsys):
    first, *others = METHODS
    table = read_table(paths.SCORE / first / paths.CALIBRATION_SCORES)
    table["score"] = np.arange(len(table), dtype=np.float64)
    table.loc[len(table) - 1, "score"] = highest = 10 * len(table)
    write_table(paths.SCORE / first / paths.CALIBRATION_SCORES, table)
    file = paths.THRESHOLD / first / paths.THRESHOLD_FILE
    write_json(file, read_json(file) | {"value": float(highest)})
    doubts = [{"what": "the border tells", "effect": "a method may know", "advice": "look"}, {"what": "few pictures"}]
    write_json(paths.DATA_REPORT_COPY, {"findings": doubts})
    capsys.readouterr()
    results()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    told = "the border tells: a method may know; look; 1 more finding"
    assert lines[0] == f"note: data check: {told} ({paths.DATA_REPORT_COPY})"
    last = f"the threshold {highest} is the score of one of {len(table)} good pictures"
    assert lines[1].startswith(f"note: {first}: {last}")
    assert table["image_id"].iloc[-1] in lines[1]
    assert not [line for line in lines if line.startswith(f"note: {others[0]}:")]


@pytest.mark.parametrize("masked", [True, False])
def test_maps_add_a_table_of_pixel_metrics_or_the_reason_why_there_is_none(tmp_path, monkeypatch, capsys, masked):
    write_scored(tmp_path)
    write_maps(tmp_path, "ae")
    monkeypatch.chdir(tmp_path)
    for method in METHODS:
        threshold(method)
    if not masked:
        paths.MASKS.unlink()
    evaluate()
    capsys.readouterr()
    results()
    blocks = capsys.readouterr().out.split("\n\n")
    assert blocks[1].startswith("Where the defect is" if masked else "No pixel metrics: the data set has no masks")
    found = json.loads(paths.REPORT.read_text())["methods"]["ae"]["pixels"]
    assert (f"ae      {found.get('auroc', 0):.3f} [" in blocks[2]) == masked
