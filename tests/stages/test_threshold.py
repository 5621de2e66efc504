"""Oracle: the conformal p-values of the calibration file, counted here."""

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


def calibrate(scores, scheme="leave_one_out", method="vit"):
    """Write these calibration scores for a method."""
    ids, schemes = [str(row) for row in range(len(scores))], [scheme] * len(scores)
    file = paths.SCORE / method / paths.CALIBRATION_SCORES
    write_table(file, {"image_id": ids, "score": np.asarray(scores, dtype=float), "scheme": schemes})


def test_the_threshold_rejects_exactly_the_scores_with_a_p_value_of_at_most_alpha():
    stage.threshold("vit")
    scores, found = read_table(paths.SCORE / "vit" / paths.CALIBRATION_SCORES)["score"], written()
    for score in [*scores, *np.nextafter(scores, np.inf)]:
        p_value = (1 + (scores >= score).sum()) / (1 + len(scores))
        assert (score >= found["value"]) == (p_value <= 0.05)


def test_the_file_holds_the_promise_in_words_and_in_numbers():
    stage.threshold("vit")
    found = written()
    assert list(found) == [
        "strategy", "value", "n_calibration", "scheme", "promised_rate", "guaranteed", "rate_limit", "guarantee",
        "warnings", "diagnostics",
    ]  # fmt: skip
    assert (found["strategy"], found["n_calibration"], found["scheme"]) == ("conformal", 40, "leave_one_out")
    assert (found["promised_rate"], found["guaranteed"], found["rate_limit"]) == (0.05, True, None)
    assert "at most 5 % of good parts" in found["guarantee"]
    assert (found["warnings"], found["diagnostics"]) == ([], {})


def test_what_is_promised_follows_from_how_the_scores_were_made():
    for scheme, guaranteed in (("split", True), ("held_out", True), ("jackknife", False), ("k_fold", False)):
        calibrate(np.arange(40.0), scheme)
        stage.threshold("vit")
        found = written()
        assert found["guaranteed"] is guaranteed
        assert (found["rate_limit"] is not None) is guaranteed
        assert ("an estimate and no proven bound" in found["guarantee"]) is not guaranteed


@pytest.mark.parametrize("strategy", ["conformal", "evt", "max", "percentile"])
def test_every_strategy_runs_with_the_options_of_the_parameters(strategy, project):
    set_params(project / paths.PARAMS, project / paths.PARAMS, {"threshold": {"strategy": strategy}})
    calibrate(np.random.default_rng(0).exponential(size=200))
    stage.threshold("vit")
    found = written()
    assert found["strategy"] == strategy
    assert 0 < found["promised_rate"] < 0.06


def test_it_needs_nothing_but_the_parameters_and_the_calibration_file(project):
    for file in (paths.TEST_SCORES, paths.PROVENANCE):
        (paths.SCORE / "vit" / file).unlink()
    paths.MANIFEST.unlink()
    paths.IMAGES.unlink()
    stage.threshold("vit")
    assert written()["n_calibration"] == 40


def test_a_warning_is_written_and_said(capsys):
    calibrate(np.arange(20.0), "split")
    stage.threshold("vit")
    (warning,) = written()["warnings"]
    assert warning.startswith("with only 20 calibration pictures, 13.9 % of good parts may be rejected")
    assert f"vit: warning: {warning}" in capsys.readouterr().out


def test_a_calibration_folder_with_too_few_pictures_is_refused_with_what_to_do():
    calibrate(np.arange(10.0), "split")
    with pytest.raises(IadError, match=r"10 calibration pictures .* at least 19; add good pictures to the calibration"):
        stage.threshold("vit")
    assert not (paths.THRESHOLD / "vit").exists()


@pytest.mark.parametrize("columns", [{}, {"scheme": ["split"] * 39 + ["k_fold"]}])
def test_scores_whose_making_is_unknown_or_mixed_are_refused(columns):
    file = paths.SCORE / "vit" / paths.CALIBRATION_SCORES
    write_table(file, {"image_id": [str(row) for row in range(40)], "score": np.arange(40.0)} | columns)
    with pytest.raises(
        IadError, match=r"calibration\.parquet: [02] schemes of calibration instead of one; run `dvc repro`"
    ):
        stage.threshold("vit")


def test_the_self_match_trap_is_refused_with_the_file_and_leaves_nothing():
    calibrate(np.zeros(30))
    with pytest.raises(IadError, match=r"calibration\.parquet: the threshold 0\.0000 would accept .* find themselves"):
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
