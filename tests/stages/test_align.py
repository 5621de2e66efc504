"""Oracle: pictures matched by a loop over names, evidence by its formula, maps enlarged by PyTorch."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from iad import paths
from iad.errors import IadError
from iad.io import read_json, read_table, write_table
from iad.stages.align import align
from tests.conftest import set_params
from tests.scored import write_maps, write_scored

FOLDER = paths.ALIGN / "both"


def add_hybrid(members, name="both", **options):
    """Add a hybrid of these methods to the parameters."""
    hybrid = {"members": list(members), "how": "mean", "weights": []} | options
    method = {"detector": "hybrid", "reads": f"align/{name}", "params": f"hybrids.{name}"}
    set_params(paths.PARAMS, paths.PARAMS, {"hybrids": {name: hybrid}, "methods": {name: method}})


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_scored(tmp_path)
    add_hybrid(("ae", "vit"))
    return tmp_path


def keep_calibration(method, kept):
    """Leave a method the calibration pictures with these numbers, in this order."""
    file = paths.SCORE / method / paths.CALIBRATION_SCORES
    table = read_table(file)
    write_table(file, {name: column[list(kept)] for name, column in table.items()})


def by_picture(method, file):
    table = read_table(paths.SCORE / method / file)
    return dict(zip(table["image_id"], table["score"], strict=True))


def formula(method, score):
    """Evidence, from the fifth of the method's own calibration scores that is highest."""
    ranked = sorted(by_picture(method, paths.CALIBRATION_SCORES).values())
    tail = round(len(ranked) / 5)
    start = ranked[-tail - 1]
    mean, share = sum(ranked[-tail:]) / tail - start, tail / len(ranked)
    return math.log10(1 + (1 - share) / share * math.exp((score - start) / mean))


@pytest.mark.parametrize("file", [paths.CALIBRATION_SCORES, paths.TEST_SCORES])
def test_evidence_stands_picture_by_picture_though_members_calibrate_on_other_ones(file, project, capsys):
    keep_calibration("ae", range(5, 30))
    keep_calibration("vit", range(39, 14, -1))
    align("both")
    found = read_table(FOLDER / file)
    scores = {method: by_picture(method, file) for method in ("ae", "vit")}
    assert list(found) == ["image_id", "evidence.ae", "evidence.vit"]
    assert found["image_id"].tolist() == [image_id for image_id in scores["ae"] if image_id in scores["vit"]]
    for method, of_picture in scores.items():
        expected = [formula(method, of_picture[image_id]) for image_id in found["image_id"]]
        np.testing.assert_allclose(found[f"evidence.{method}"], expected)
    assert capsys.readouterr().out == "align: both: ae + vit on 15 calibration and 30 test pictures\n"


def test_the_record_holds_what_each_member_is_and_its_scale_but_no_history(project):
    align("both")
    record = read_json(FOLDER / paths.ALIGNMENT)
    assert list(record) == ["ae", "vit"]
    assert record["ae"]["model"] == {"name": "net of ae"}
    assert record["ae"]["map_tail"] is None
    assert record["vit"]["runtime"]["precision"] == "bf16"
    assert record["vit"]["tail"]["share"] == 0.2


def test_maps_become_evidence_on_the_finest_grid(project):
    for method in ("ae", "vit"):
        write_maps(project, method)
    coarse = {
        file: np.load(paths.SCORE / "ae" / file)[:, ::2, ::3] for file in (paths.CALIBRATION_MAPS, paths.TEST_MAPS)
    }
    for file, maps in coarse.items():
        np.save(paths.SCORE / "ae" / file, maps)
    align("both")
    for scores, file in ((paths.CALIBRATION_SCORES, paths.CALIBRATION_MAPS), (paths.TEST_SCORES, paths.TEST_MAPS)):
        found = np.load(FOLDER / file)
        assert found.shape == (2, len(read_table(FOLDER / scores)["image_id"]), 6, 6)
        assert found.dtype == np.float32
        for place, method in enumerate(("ae", "vit")):
            tail = read_json(FOLDER / paths.ALIGNMENT)[method]["map_tail"]
            maps = np.load(paths.SCORE / method / file).astype(float)
            odds = (1 - tail["share"]) / tail["share"] * np.exp((maps - tail["start"]) / tail["excess"])
            evidence = torch.from_numpy(np.log10(1 + odds))[:, None]
            expected = interpolate(evidence, size=(6, 6), mode="bilinear", align_corners=False)[:, 0]
            np.testing.assert_allclose(found[place], expected, rtol=1e-4, atol=1e-6)


def test_the_scale_of_maps_is_that_of_the_highest_hundredth_of_good_places(project):
    for method in ("ae", "vit"):
        write_maps(project, method)
    align("both")
    ranked = np.sort(np.load(paths.SCORE / "vit" / paths.CALIBRATION_MAPS), axis=None).astype(float)  # 40 maps of 36
    tail = read_json(FOLDER / paths.ALIGNMENT)["vit"]["map_tail"]
    assert tail["start"] == pytest.approx(ranked[-15])
    assert tail["excess"] == pytest.approx(ranked[-14:].mean() - ranked[-15])


def test_maps_that_one_member_lacks_are_left_out(project):
    write_maps(project, "vit")
    align("both")
    assert {path.name for path in FOLDER.iterdir()} == {
        paths.CALIBRATION_SCORES, paths.TEST_SCORES, paths.ALIGNMENT,
    }  # fmt: skip


def test_no_label_and_no_test_score_has_a_say_in_the_scale(project):
    align("both")
    before = read_table(FOLDER / paths.CALIBRATION_SCORES)
    file = paths.SCORE / "vit" / paths.TEST_SCORES
    table = read_table(file)
    write_table(file, dict(table) | {"label": 1 - table["label"], "score": table["score"] * 100})
    align("both")
    after = read_table(FOLDER / paths.CALIBRATION_SCORES)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_too_few_common_pictures_are_refused_and_leave_nothing(project):
    keep_calibration("ae", range(20))
    keep_calibration("vit", range(15, 40))
    with pytest.raises(IadError, match=r"only 5 good pictures calibrate all members .* \(ae: 20, vit: 25\)"):
        align("both")
    assert not paths.ALIGN.exists()


def test_constant_calibration_scores_are_refused_by_name(project):
    file = paths.SCORE / "vit" / paths.CALIBRATION_SCORES
    write_table(file, dict(read_table(file)) | {"score": np.full(40, 3.0)})
    with pytest.raises(IadError, match=r"^vit: the 9 highest of 40 values of good pictures are all 3"):
        align("both")
    assert not paths.ALIGN.exists()


def test_members_that_tested_other_pictures_are_refused(project):
    file = paths.SCORE / "vit" / paths.TEST_SCORES
    write_table(file, {name: column[1:] for name, column in read_table(file).items()})
    with pytest.raises(IadError, match=r"vit.test\.parquet: no picture 'pictures/040\.png'.*dvc repro"):
        align("both")


def test_fewer_maps_than_scores_are_refused(project):
    for method in ("ae", "vit"):
        write_maps(project, method)
    np.save(paths.SCORE / "vit" / paths.TEST_MAPS, np.load(paths.SCORE / "vit" / paths.TEST_MAPS)[:-1])
    with pytest.raises(IadError, match=r"vit.test_maps\.npy: 29 maps for 30 scores; run `dvc repro`"):
        align("both")


def test_an_unknown_hybrid_and_missing_scores_are_refused(project):
    with pytest.raises(IadError, match="unknown hybrid 'booth'; did you mean 'both'"):
        align("booth")
    (paths.SCORE / "ae" / paths.TEST_SCORES).unlink()
    with pytest.raises(IadError, match=r"test\.parquet: missing; run `dvc repro`"):
        align("both")


@pytest.mark.parametrize(
    ("members", "options", "refusal"),
    [
        (("ae", "patch"), {}, r"hybrids\.both: its member 'patch' is not among methods; .*~hybrids\.both' .*~methods"),
        (("ae",), {}, r"hybrids\.both\.members = \['ae'\].*at least 2 items"),
        (("ae", "vit", "resnet", "a", "b"), {}, r"hybrids\.both\.members = .*at most 4 items"),
        (("ae", "ae"), {}, r"hybrids\.both\.members = .*name each member once"),
        (("ae", "vit"), {"weights": [1.0]}, r"hybrids\.both\.weights = \[1\.0\]: .*one weight to each of ae, vit"),
        (("ae", "vit"), {"weights": [0, 0]}, r"hybrids\.both\.weights = .*not all 0"),
        (("ae", "vit"), {"weights": [1, -1]}, r"hybrids\.both\.weights\.1 = -1: .*greater than or equal to 0"),
        (("ae", "vit"), {"how": "median"}, r"hybrids\.both\.how = 'median': input should be 'mean' or 'max'"),
    ],
)  # fmt: skip
def test_a_hybrid_that_cannot_be_is_refused_in_one_line(members, options, refusal, project):
    add_hybrid(members, **options)
    with pytest.raises(IadError, match=refusal) as caught:
        align("both")
    assert "\n" not in str(caught.value)


def test_two_runs_write_the_same_bytes(project):
    write_maps(project, "ae")
    write_maps(project, "vit")
    written = []
    for _ in range(2):
        align("both")
        written.append({path.name: path.read_bytes() for path in FOLDER.iterdir()})
    assert written[0] == written[1]
    assert len(written[0]) == 5
