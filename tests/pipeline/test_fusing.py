"""`score` with a hybrid, after `align`. Oracle: the weighted mean and the maximum of the aligned columns."""

import numpy as np
import pytest

from iad import paths
from iad.errors import IadError
from iad.io import read_json, read_table, write_table
from iad.stages.align import align
from iad.stages.evaluate import evaluate
from iad.stages.score import score
from iad.stages.threshold import threshold
from tests.conftest import set_params
from tests.scored import write_maps, write_scored

FOLDER = paths.SCORE / "both"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_scored(tmp_path)
    return tmp_path


def run(how="mean", weights=()):
    hybrid = {"members": ["ae", "vit"], "how": how, "weights": list(weights)}
    method = {"detector": "hybrid", "reads": "align/both", "params": "hybrids.both"}
    set_params(paths.PARAMS, paths.PARAMS, {"hybrids": {"both": hybrid}, "methods": {"both": method}})
    align("both")
    score("both")


def aligned(file):
    table = read_table(paths.ALIGN / "both" / file)
    return table["image_id"], np.stack([table["evidence.ae"], table["evidence.vit"]])


@pytest.mark.parametrize("file", [paths.CALIBRATION_SCORES, paths.TEST_SCORES])
@pytest.mark.parametrize(
    ("how", "weights", "expected"),
    [
        ("mean", (), lambda ae, vit: (ae + vit) / 2),
        ("mean", (3, 1), lambda ae, vit: (3 * ae + vit) / 4),
        ("max", (), np.maximum),
        ("max", (1, 2), lambda ae, vit: np.maximum(ae / 2, vit)),
    ],
)
def test_scores_are_the_fused_evidence(how, weights, expected, file, project):
    run(how, weights)
    ids, evidence = aligned(file)
    found = read_table(FOLDER / file)
    assert found["image_id"].tolist() == ids.tolist()
    np.testing.assert_allclose(found["score"], expected(*evidence))


def test_no_bound_is_promised_for_a_scale_that_the_calibration_pictures_set(project):
    run()
    threshold("both")
    assert set(read_table(FOLDER / paths.CALIBRATION_SCORES)["scheme"]) == {"jackknife"}
    found = read_json(paths.THRESHOLD / "both" / paths.THRESHOLD_FILE)
    assert (found["guaranteed"], found["promised_rate"]) == (False, 0.05)


def test_maps_are_fused_as_the_scores_are(project):
    for method in ("ae", "vit"):
        write_maps(project, method)
    run("max")
    for file in (paths.CALIBRATION_MAPS, paths.TEST_MAPS):
        found, members = np.load(FOLDER / file), np.load(paths.ALIGN / "both" / file)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, members.max(axis=0))


def test_test_scores_follow_the_manifest_though_a_member_wrote_them_in_another_order(project):
    run()
    before = read_table(FOLDER / paths.TEST_SCORES)
    file = paths.SCORE / "ae" / paths.TEST_SCORES
    write_table(file, {name: column[::-1] for name, column in read_table(file).items()})
    run()
    after = read_table(FOLDER / paths.TEST_SCORES)
    assert all(after[name].tolist() == before[name].tolist() for name in before)


def test_provenance_says_what_was_fused_and_how(project):
    run("mean", (3, 1))
    found = read_json(FOLDER / paths.PROVENANCE)
    assert found["model"]["name"] == "ae + vit"
    assert found["model"]["members"] == {"ae": {"name": "net of ae"}, "vit": {"name": "net of vit"}}
    assert (found["detector"]["how"], found["detector"]["weights"]) == ("mean", [3.0, 1.0])
    assert list(found["detector"]["members"]["vit"]) == ["detector", "tail", "map_tail"]
    assert found["runtime"]["vit"] == {"device": "cpu", "precision": "bf16", "threads": 2}


def test_a_hybrid_is_evaluated_as_any_method(project):
    for method in ("ae", "vit"):
        write_maps(project, method)
    run()
    for method in ("ae", "resnet", "vit", "both"):
        threshold(method)
    evaluate()
    metrics = {method: read_json(paths.METRICS / f"{method}.json") for method in ("ae", "vit", "both")}
    assert metrics["both"]["auroc"] > metrics["ae"]["auroc"]
    assert (paths.GALLERIES / "both.png").is_file()


def test_a_hybrid_of_a_hybrid_is_one_of_all_its_members(project):
    run()
    hybrid = {"members": ["both", "resnet"], "how": "mean", "weights": [2, 1]}
    method = {"detector": "hybrid", "reads": "align/three", "params": "hybrids.three"}
    set_params(paths.PARAMS, paths.PARAMS, {"hybrids": {"three": hybrid}, "methods": {"three": method}})
    align("three")
    score("three")
    assert read_json(paths.SCORE / "three" / paths.PROVENANCE)["model"]["name"] == "both + resnet"
    assert len(read_table(paths.SCORE / "three" / paths.TEST_SCORES)["score"]) == 30


def test_a_method_that_reads_another_hybrid_than_it_names_is_refused(project):
    run()
    set_params(paths.PARAMS, paths.PARAMS, {"methods": {"both": {"reads": "extract_vit"}}})
    with pytest.raises(IadError, match=r"what hybrids\.both tunes must read align/both, not extract_vit"):
        score("both")
    set_params(paths.PARAMS, paths.PARAMS, {"methods": {"both": {"params": "hybrids.booth"}}})
    with pytest.raises(IadError, match=r"unknown section of params\.yaml 'hybrids\.booth'; did you mean 'hybrids'"):
        score("both")


def test_a_hybrid_whose_members_changed_since_they_were_aligned_is_refused(project):
    run()
    set_params(paths.PARAMS, paths.PARAMS, {"hybrids": {"both": {"members": ["ae", "resnet"]}}})
    with pytest.raises(IadError, match=r"align.both.*: holds ae \+ vit, not ae \+ resnet; run `dvc repro`"):
        score("both")
