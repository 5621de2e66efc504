"""Oracle: the percentile of the calibration file, taken here with NumPy."""

import json

import numpy as np
import pytest

from iad import paths
from iad.errors import IadError
from iad.io import read_table, write_table
from iad.stages import threshold as stage
from tests.conftest import set_params
from tests.scored import write_scored


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    write_scored(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(method="vit"):
    return json.loads((paths.THRESHOLD / method / paths.THRESHOLD_FILE).read_text())


def test_the_threshold_is_the_percentile_of_the_calibration_scores_with_its_promise():
    stage.threshold("vit")
    scores = read_table(paths.SCORE / "vit" / paths.CALIBRATION_SCORES)["score"]
    found = written()
    assert found["value"] == np.percentile(scores, 95)
    assert (found["strategy"], found["n_calibration"], found["warning"]) == ("percentile", 40, None)
    assert "no finite-sample guarantee" in found["guarantee"]


def test_it_needs_nothing_but_the_parameters_and_the_calibration_file(project):
    for file in (paths.TEST_SCORES, paths.PROVENANCE):
        (paths.SCORE / "vit" / file).unlink()
    paths.MANIFEST.unlink()
    paths.IMAGES.unlink()
    stage.threshold("vit")
    assert written()["n_calibration"] == 40


def test_a_warning_is_written_and_said(capsys):
    write_table(paths.SCORE / "vit" / paths.CALIBRATION_SCORES, {"image_id": ["a", "b"], "score": [1.0, 2.0]})
    stage.threshold("vit")
    assert "2 calibration pictures are too few" in written()["warning"]
    assert "vit: warning: 2 calibration pictures are too few" in capsys.readouterr().out


def test_the_self_match_trap_is_refused_with_the_file_and_leaves_nothing():
    file = paths.SCORE / "vit" / paths.CALIBRATION_SCORES
    write_table(file, {"image_id": [str(row) for row in range(30)], "score": np.zeros(30)})
    with pytest.raises(IadError, match=r"calibration\.parquet: the threshold 0\.0000 would reject all 30"):
        stage.threshold("vit")
    assert not (paths.THRESHOLD / "vit").exists()


def test_an_unknown_method_is_refused_with_the_nearest_name():
    with pytest.raises(IadError, match="unknown method 'vitt'; did you mean 'vit'"):
        stage.threshold("vitt")


def test_an_unknown_strategy_is_refused(project):
    set_params(project / paths.PARAMS, project / paths.PARAMS, {"threshold": {"strategy": "best_f1"}})
    with pytest.raises(IadError, match=r"unknown threshold\.strategy 'best_f1'"):
        stage.threshold("vit")


def test_missing_scores_are_refused_with_what_to_do():
    (paths.SCORE / "vit" / paths.CALIBRATION_SCORES).unlink()
    with pytest.raises(IadError, match=r"calibration\.parquet: missing; run `dvc repro`"):
        stage.threshold("vit")


def test_two_runs_write_the_same_bytes():
    stage.threshold("vit")
    first = (paths.THRESHOLD / "vit" / paths.THRESHOLD_FILE).read_bytes()
    stage.threshold("vit")
    assert (paths.THRESHOLD / "vit" / paths.THRESHOLD_FILE).read_bytes() == first
