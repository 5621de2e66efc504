"""Oracle: scikit-learn on the very files that `score` and `threshold` left."""

import csv
import io
import json
import subprocess
import sys
from contextlib import redirect_stdout

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from torch import from_numpy
from torch.nn.functional import interpolate

from iad import paths
from iad.data.manifest import read_manifest, write_manifest
from iad.errors import IadError
from iad.io import read_table, write_table
from iad.stages.evaluate import evaluate
from iad.stages.threshold import threshold
from tests.conftest import set_params
from tests.helpers import ROOT
from tests.scored import METHODS, SIDE, list_methods, write_maps, write_scored


def start(folder, monkeypatch, **counts):
    write_scored(folder, **counts)
    monkeypatch.chdir(folder)
    for method in METHODS:
        threshold(method)


def run_once(folder, *with_maps):
    """Run `evaluate` in `folder`, on maps of these methods; the folder and what it said."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as said:
        start(folder, patch)
        for method in with_maps:
            write_maps(folder, method)
        evaluate()
    return folder, said.getvalue()


@pytest.fixture
def project(tmp_path, monkeypatch):
    start(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture(scope="module")
def evaluated_once(tmp_path_factory):
    return run_once(tmp_path_factory.mktemp("evaluated"))


@pytest.fixture
def evaluated(evaluated_once, monkeypatch):
    """The current folder is one where `evaluate` has run; tests only read there. The value is what it said."""
    monkeypatch.chdir(evaluated_once[0])
    return evaluated_once[1]


def metrics_of(method):
    return json.loads((paths.METRICS / f"{method}.json").read_text())


def report():
    return json.loads(paths.REPORT.read_text())


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def written():
    return {
        path: path.read_bytes() for room in (paths.METRICS, paths.PLOTS) for path in room.rglob("*") if path.is_file()
    }


def change_test(method, **columns):
    file = paths.SCORE / method / paths.TEST_SCORES
    write_table(file, read_table(file).assign(**columns))


@pytest.mark.parametrize("method", METHODS)
def test_metrics_are_those_of_scikit_learn_on_the_same_files(evaluated, method):
    test = read_table(paths.SCORE / method / paths.TEST_SCORES)
    value = json.loads((paths.THRESHOLD / method / paths.THRESHOLD_FILE).read_text())["value"]
    found, rejected = metrics_of(method), test["score"] >= value
    assert found["auroc"] == pytest.approx(roc_auc_score(test["label"], test["score"]), abs=1e-6)
    assert found["average_precision"] == pytest.approx(average_precision_score(test["label"], test["score"]), abs=1e-6)
    assert found["f1"] == pytest.approx(f1_score(test["label"], rejected), abs=1e-6)
    assert found["false_alarms"] == int((rejected & (test["label"] == 0)).sum())
    assert found["misses"] == int((~rejected & (test["label"] == 1)).sum())
    assert found["auroc_low"] <= found["auroc"] <= found["auroc_high"]
    assert len(found) == 10


def test_every_contracted_file_is_written_for_every_listed_method(evaluated):
    pictures = {
        room / f"{method}.png"
        for room in (paths.HISTOGRAMS, paths.CONFUSION, paths.MISSES, paths.FALSE_ALARMS)
        for method in METHODS
    }
    tables = {
        room / f"{method}{end}"
        for room, end in ((paths.METRICS, ".json"), (paths.SCORES_CSV, ".csv"))
        for method in METHODS
    }
    single = {paths.REPORT, paths.DATA_REPORT_COPY, paths.OVERVIEW, paths.ROC_CURVES, paths.PR_CURVES, paths.LOSS_CURVE}
    single |= {paths.COMPARISON, paths.COST_CURVES, paths.COSTS}
    assert set(written()) == pictures | tables | single
    for picture in pictures | {paths.OVERVIEW, paths.COSTS}:
        Image.open(picture).verify()


def test_scores_are_written_picture_by_picture_with_the_verdict(evaluated):
    test = read_table(paths.SCORE / "vit" / paths.TEST_SCORES)
    value = report()["methods"]["vit"]["threshold"]["value"]
    rows = rows_of(paths.SCORES_CSV / "vit.csv")
    assert [row["image_id"] for row in rows] == test["image_id"].tolist()
    assert [float(row["score"]) for row in rows] == test["score"].tolist()
    assert [row["rejected"] for row in rows] == ["1" if score >= value else "0" for score in test["score"]]


def test_curve_files_hold_finite_thresholds_of_every_method(evaluated):
    for path, columns in (
        (paths.ROC_CURVES, ["method", "threshold", "false_positive_rate", "true_positive_rate"]),
        (paths.PR_CURVES, ["method", "threshold", "recall", "precision"]),
    ):
        rows = rows_of(path)
        assert list(rows[0]) == columns
        assert {row["method"] for row in rows} == set(METHODS)
        assert all(np.isfinite(float(row["threshold"])) for row in rows)


def test_the_loss_is_copied_from_the_method_that_was_trained(evaluated):
    assert [(row["method"], row["epoch"]) for row in rows_of(paths.LOSS_CURVE)] == [
        ("ae", "1"),
        ("ae", "2"),
        ("ae", "3"),
    ]


def test_every_trained_method_has_its_losses(project):
    file = paths.SCORE / "vit" / paths.PROVENANCE
    provenance = json.loads(file.read_text())
    provenance["model"]["history"] = [{"epoch": 1, "train_loss": 0.25, "validation_loss": 0.5}]
    file.write_text(json.dumps(provenance))
    evaluate()
    assert paths.LOSS_CURVE.read_text().splitlines()[-2:] == [
        "ae,3,0.3333333333333333,0.3666666666666667",
        "vit,1,0.25,0.5",
    ]


def test_the_loss_file_has_a_header_alone_when_nothing_was_trained(project):
    list_methods(project / paths.PARAMS, ("resnet", "vit"))
    evaluate()
    assert paths.LOSS_CURVE.read_text() == "method,epoch,train_loss,validation_loss\n"


def test_the_report_says_what_auto_chose_and_labels_the_oracle(evaluated):
    found = report()["methods"]["ae"]
    assert found["provenance"]["runtime"] == {"device": "cpu", "precision": "bf16", "threads": 2}
    assert found["oracle"]["best_f1"] >= metrics_of("ae")["f1"]
    assert set(found["recall_per_defect"]) == {"hole", "cut"}


def test_it_ends_with_one_line_that_names_the_methods_and_the_way_to_the_results(evaluated):
    assert evaluated.splitlines()[-1] == "evaluate: ae, resnet, vit on 30 test pictures; see `iad results`"


def test_two_runs_write_the_same_bytes(evaluated, tmp_path, monkeypatch):
    first = written()
    start(tmp_path, monkeypatch)
    evaluate()
    assert written() == first


def test_any_number_of_processes_writes_the_same_bytes(tmp_path, monkeypatch):
    start(tmp_path, monkeypatch)
    write_maps(tmp_path, METHODS[0])
    files = []
    for threads in (1, 2):
        set_params(tmp_path / paths.PARAMS, tmp_path / paths.PARAMS, {"compute": {"threads": threads}})
        evaluate()
        files.append(written())
    assert paths.GALLERIES / f"{METHODS[0]}.png" in files[0]
    assert files[0] == files[1]


def test_what_it_wrote_for_methods_no_longer_listed_goes(project):
    evaluate()
    list_methods(project / paths.PARAMS, ("ae", "vit"))
    evaluate()
    assert not [path for path in written() if path.stem == "resnet"]
    assert list(report()["methods"]) == ["ae", "vit"]


def test_folders_of_other_stages_for_methods_no_longer_listed_stay_and_are_told(project, capsys):
    list_methods(project / paths.PARAMS, ("ae", "vit"))
    before = {path: path.read_bytes() for path in paths.STAGES.rglob("*") if path.is_file()}
    evaluate()
    assert {path: path.read_bytes() for path in paths.STAGES.rglob("*") if path.is_file()} == before
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "left over" in line]
    assert line == (
        "left over, of no method in params.yaml: stages/score/resnet, stages/threshold/resnet; dvc.lock records "
        "evaluate with that, other than in a fresh clone; to remove it: rm -r "
        "stages/score/resnet stages/threshold/resnet"
    )


def test_where_nothing_is_left_over_nothing_is_told(evaluated):
    assert "left over" not in evaluated


def test_a_kind_of_defect_is_named_as_it_is_in_every_figure(project):
    kind = "cam$1_$2 and $^$, 50 % {x}_1"
    write_maps(project, "ae")
    for method in METHODS:
        test = read_table(paths.SCORE / method / paths.TEST_SCORES)
        defects = np.where(np.asarray(test["label"]) == 1, kind, "good").astype(object)
        ids = [f"bad/{kind}/{number}$.png" for number in range(len(defects))]
        change_test(method, defect=defects, image_id=ids)
    manifest = read_manifest(paths.MANIFEST)
    renamed = np.asarray(manifest["image_id"], dtype=object).copy()
    renamed[-len(ids) :] = ids
    write_manifest(paths.MANIFEST, manifest.assign(image_id=renamed))
    evaluate()
    assert set(report()["methods"]["vit"]["recall_per_defect"]) == {kind}


@pytest.mark.parametrize(
    ("counts", "kind", "left"),
    [
        ({"defective": 0}, "good", {"threshold", "false_alarms"}),
        ({"good": 0}, "defective", {"threshold", "recall", "misses"}),
    ],
)
def test_a_test_set_of_one_class_says_what_is_missing_and_writes_the_rest(
    tmp_path, monkeypatch, capsys, counts, kind, left
):
    start(tmp_path, monkeypatch, **counts)
    evaluate()
    assert set(metrics_of("vit")) == left
    assert f"test pictures are {kind}, so AUROC, AP, F1, precision," in capsys.readouterr().out
    assert rows_of(paths.ROC_CURVES) == []
    Image.open(paths.OVERVIEW).verify()


def test_no_miss_and_no_false_alarm_give_small_pictures(project):
    test = read_table(paths.SCORE / "vit" / paths.TEST_SCORES)
    change_test("vit", score=test["label"] * 100.0)
    evaluate()
    assert metrics_of("vit")["misses"] == metrics_of("vit")["false_alarms"] == 0
    assert Image.open(paths.MISSES / "vit.png").height < 100
    assert Image.open(paths.FALSE_ALARMS / "vit.png").height < 100


def test_strips_show_no_more_pictures_than_asked(project):
    change_test("vit", score=np.zeros(30))  # every defective picture passes
    evaluate()
    assert metrics_of("vit")["misses"] == 18
    assert Image.open(paths.MISSES / "vit.png").width < 1600 / 8 * 5  # four of them


def test_scores_that_are_not_finite_are_refused_with_the_file(project):
    change_test("vit", score=np.full(30, np.nan))
    with pytest.raises(IadError, match=r"vit.test\.parquet: 30 of 30 scores are not finite"):
        evaluate()
    assert not paths.METRICS.exists()


def test_a_scored_picture_that_the_data_set_lacks_is_named(project):
    change_test("vit", image_id=np.array([f"new/{row}.png" for row in range(30)], dtype=object))
    with pytest.raises(IadError, match=r"no picture 'new/\d+\.png', which vit scored; run `dvc repro`"):
        evaluate()
    assert not paths.METRICS.exists()


def test_a_listed_method_without_scores_is_refused(project):
    (paths.SCORE / "resnet" / paths.TEST_SCORES).unlink()
    with pytest.raises(IadError, match=r"resnet.test\.parquet: missing; run `dvc repro`"):
        evaluate()


def test_costs_are_those_of_the_verdicts_at_the_prices_of_the_parameters(evaluated):
    costs, counted = report()["costs"], report()["methods"]["vit"]["verdicts"]
    found = costs["methods"]["vit"]["deployed"]
    escapes = 1000 * 0.02 * counted["false_negatives"] / 18
    overkill = 1000 * 0.98 * counted["false_positives"] / 12
    assert (found["escapes"], found["overkill"]) == pytest.approx((escapes, overkill), abs=1e-6)
    assert found["cost"] == pytest.approx(10 * escapes + overkill, abs=1e-5)
    assert found["cost_interval"][0] <= found["cost"] <= found["cost_interval"][1]
    assert "chosen on the test labels" in costs["methods"]["vit"]["cheapest"]["note"]
    assert (costs["ship_everything"], costs["reject_everything"]) == (200, 980)


def test_twice_the_defective_test_pictures_change_no_cost(project):
    evaluate()
    first = report()["costs"]["methods"]["vit"]
    for method in METHODS:
        test = read_table(paths.SCORE / method / paths.TEST_SCORES)
        rows = np.concatenate([np.arange(30), np.flatnonzero(test["label"])])
        columns = {name: np.asarray(test[name])[rows] for name in ("image_id", "label", "defect", "score")}
        write_table(paths.SCORE / method / paths.TEST_SCORES, columns)
    evaluate()
    second = report()["costs"]["methods"]["vit"]
    assert len(rows_of(paths.SCORES_CSV / "vit.csv")) == 48
    assert second["cheapest"] == first["cheapest"]
    numbers = ("threshold", "recall", "false_alarm_rate", "escapes", "overkill", "cost")
    assert [second["deployed"][name] for name in numbers] == [first["deployed"][name] for name in numbers]


def test_a_defect_rate_of_0_leaves_costs_out_and_says_why(project, capsys):
    set_params(project / paths.PARAMS, project / paths.PARAMS, {"costs": {"defect_rate": 0}})
    evaluate()
    assert "costs.defect_rate is 0, so costs are left out" in capsys.readouterr().out
    assert report()["costs"] is None
    assert rows_of(paths.COST_CURVES) == []
    assert Image.open(paths.COSTS).height < 200


def test_every_pair_of_methods_is_compared_in_the_report_and_the_file(evaluated):
    rows = rows_of(paths.COMPARISON)
    assert len(rows) == len(report()["comparisons"]) == 9
    pairs = {frozenset((row["method"], row["against"])) for row in rows}
    assert pairs == {frozenset(pair) for pair in (("ae", "vit"), ("ae", "resnet"), ("resnet", "vit"))}


@pytest.fixture(scope="module")
def localized_once(tmp_path_factory):
    return run_once(tmp_path_factory.mktemp("localized"), "ae")


@pytest.fixture
def localized(localized_once, monkeypatch):
    """The current folder is one where `evaluate` has run on the maps of one method; the value is what it said."""
    monkeypatch.chdir(localized_once[0])
    return localized_once[1]


def pixels_of(method):
    return report()["methods"][method]["pixels"]


def full_maps(name):
    sigma, coarse = 0.012 * SIDE, np.load(paths.SCORE / "ae" / name)
    enlarged = interpolate(from_numpy(coarse)[:, None], (SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0]
    return np.stack([gaussian_filter(one, sigma) for one in enlarged.numpy()])


def test_pixel_metrics_are_those_of_scikit_learn_on_smoothed_full_maps(localized):
    masks, maps = np.load(paths.MASKS)[-30:].ravel(), full_maps(paths.TEST_MAPS).ravel()
    found = pixels_of("ae")
    assert found["auroc"] == pytest.approx(roc_auc_score(masks, maps), abs=1e-4)
    assert found["average_precision"] == pytest.approx(average_precision_score(masks, maps), abs=1e-4)
    assert found["f1"] == pytest.approx(f1_score(masks, maps >= found["threshold"]["value"]), abs=1e-3)
    assert found["intervals"]["pixel_auroc"][0] < found["auroc"] < found["intervals"]["pixel_auroc"][1]
    assert found["pictures"] == {"good": 12, "anomalous": 18, "without_mask": 0}


def test_pixel_thresholds_come_from_good_pictures_alone(localized):
    good, found = full_maps(paths.CALIBRATION_MAPS), pixels_of("ae")
    allowed = int(0.001 * good.size)
    assert found["threshold"]["value"] == pytest.approx(np.sort(good.ravel())[-1 - allowed], abs=1e-4)
    assert found["red"]["value"] == pytest.approx(np.sort(good.max(axis=(1, 2)))[38], abs=1e-4)  # ceil(0.95 x 41) = 39


def test_what_red_promises_follows_from_how_the_maps_were_made(localized):
    red = pixels_of("ae")["red"]
    assert (red["scheme"], red["guaranteed"], red["promised_rate"], red["pictures"]) == (
        "leave_one_out",
        True,
        0.05,
        40,
    )
    assert red["promise"].startswith("at most 5 % of good parts like the 40 calibration pictures get a marked pixel")
    assert pixels_of("ae")["threshold"]["guaranteed"] is False


def test_maps_whose_making_is_unknown_promise_nothing(project):
    write_maps(project, "ae", map_scheme=None)
    evaluate()
    red = pixels_of("ae")["red"]
    assert (red["scheme"], red["guaranteed"]) == ("jackknife", False)
    assert red["promise"].startswith("about 5 %")


def test_a_gallery_of_maps_with_few_calibration_pictures_says_what_they_can_hold(tmp_path, monkeypatch):
    set_alpha = {"threshold": {"alpha": 0.3}}
    write_scored(tmp_path, train=5)
    set_params(tmp_path / paths.PARAMS, tmp_path / paths.PARAMS, set_alpha)
    monkeypatch.chdir(tmp_path)
    for method in METHODS:
        threshold(method)
    write_maps(tmp_path, "ae")
    evaluate()
    red = pixels_of("ae")["red"]
    assert red["promised_rate"] == pytest.approx(1 / 6)
    assert red["promise"].startswith("at most 16.7 %")
    assert red["warning"].startswith("5 calibration pictures cannot hold 5 %, it takes 19")


def test_only_methods_with_maps_have_a_gallery_and_the_others_say_why(localized):
    assert [path.name for path in paths.GALLERIES.iterdir()] == ["ae.png"]
    Image.open(paths.GALLERIES / "ae.png").verify()
    assert pixels_of("vit") == {"left_out": "it writes no anomaly maps"}
    assert "resnet, vit: no pixel metrics: it writes no anomaly maps" in localized
    assert "ae: no aupimo: normal test pictures have 6912 pixels" in localized


def test_a_gallery_goes_when_its_method_has_no_maps_any_more(project):
    write_maps(project, "ae")
    evaluate()
    for name in (paths.TEST_MAPS, paths.CALIBRATION_MAPS):
        (paths.SCORE / "ae" / name).unlink()
    evaluate()
    assert not list(paths.GALLERIES.iterdir())


def test_maps_without_masks_give_a_gallery_and_the_reason(project, capsys):
    write_maps(project, "ae")
    paths.MASKS.unlink()
    evaluate()
    assert "ae: no pixel metrics: the data set has no masks" in capsys.readouterr().out
    assert set(pixels_of("ae")) == {"map_sigma_pixels", "threshold", "red", "left_out"}
    assert (paths.GALLERIES / "ae.png").is_file()


def test_masks_that_mark_nothing_are_left_out_and_named_and_the_rest_is_measured(project, capsys):
    write_maps(project, "ae")
    manifest = read_manifest(paths.MANIFEST)
    manifest.loc[[60, 61], "mask"] = None
    write_manifest(paths.MANIFEST, manifest)
    evaluate()
    bare = pixels_of("ae")
    write_maps(project, "ae")
    manifest.loc[[60, 61], "mask"] = ["masks/060.png", "masks/061.png"]
    write_manifest(paths.MANIFEST, manifest)
    masks = np.load(paths.MASKS)
    masks[[60, 61]] = 0
    np.save(paths.MASKS, masks)
    capsys.readouterr()
    evaluate()
    line = "ae: left out of pixel metrics: 2 masks mark no pixel of a defective picture (masks/060.png, masks/061.png)"
    assert line in capsys.readouterr().out
    found = pixels_of("ae")
    assert found.pop("empty_masks") == ["masks/060.png", "masks/061.png"]
    assert found.pop("pictures") == {"good": 12, "anomalous": 16, "without_mask": 0}
    assert found == {name: value for name, value in bare.items() if name != "pictures"}


def test_defective_pictures_without_a_mask_are_left_out_and_counted(project, capsys):
    write_maps(project, "ae")
    manifest = read_manifest(paths.MANIFEST)
    manifest.loc[[60, 61], "mask"] = None
    write_manifest(paths.MANIFEST, manifest)
    evaluate()
    assert pixels_of("ae")["pictures"] == {"good": 12, "anomalous": 16, "without_mask": 2}
    line = "ae: left out of pixel metrics: 2 defective test pictures have no mask"
    assert line in capsys.readouterr().out


def test_maps_of_other_pictures_than_were_scored_are_refused(project):
    write_maps(project, "ae")
    np.save(paths.SCORE / "ae" / paths.TEST_MAPS, np.zeros((29, 6, 6), np.float32))
    with pytest.raises(IadError, match=r"test_maps\.npy: 29 maps for 30 scores; run `dvc repro`"):
        evaluate()


def test_maps_that_are_not_finite_are_refused_by_name(project):
    write_maps(project, "ae")
    maps = np.load(paths.SCORE / "ae" / paths.TEST_MAPS)
    maps[3, 2, 2] = np.nan
    np.save(paths.SCORE / "ae" / paths.TEST_MAPS, maps)
    with pytest.raises(IadError, match=r"test_maps\.npy: \d+ of 576 pixels of pictures/043\.png are not finite"):
        evaluate()
    assert not paths.METRICS.exists()


def test_importing_the_stage_loads_none_of_the_slow_packages():
    code = "import sys, iad.stages.evaluate, iad.stages.threshold; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"torch", "sklearn", "pandas", "scipy", "matplotlib"} & set(found.split())


def test_running_it_loads_no_screen_and_no_network():
    code = "import sys, iad.report.evaluation; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"torch", "timm", "sklearn", "matplotlib.pyplot"} & set(found.split())
