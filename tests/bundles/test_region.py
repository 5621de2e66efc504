"""A region of interest through stages, bundles and graphs. The oracle is a change outside: it must change nothing."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iad import fit, paths
from iad.bundles.bundle import read_bundle
from iad.bundles.extend import add_pictures, merge_bundles
from iad.bundles.predictor import load
from iad.data.pictures import find
from iad.data.region import GREY
from iad.detectors.places import Places
from iad.errors import IadError
from iad.export.writing import export_bundle
from iad.io import open_array, read_json, read_table
from iad.stages.evaluate import evaluate
from tests.bundled import PICTURES, bundle_of, pictures_of, reseal, run_project
from tests.conftest import set_params, shared

SIDE = 64
METHODS = ("ae", "resnet", "vit", "patch_resnet", "patch_vit", "hybrid", "padim", "subspace", "zscore")
ADDED = {
    name: {"detector": name, "reads": "extract_vit", "params": section}
    for name, section in (("padim", "padim"), ("subspace", "subspace"), ("zscore", "classical.zscore"))
}  # fmt: skip
OVERLAY = {
    "compute": {"precision": "fp32"}, "methods": ADDED,
    "evaluate": {"red_rate": 0.5}, "data": {"synthetic": {"train": 24, "good": 6, "defective": 2, "size": SIDE}},
}  # fmt: skip
DRAWN = np.zeros((SIDE, SIDE), dtype=bool)
DRAWN[10:50, 20:64] = True
FAR = np.zeros_like(DRAWN)
FAR[:8, :] = FAR[52:, :] = FAR[:, :18] = True  # two pixels away, since pictures are resized


@pytest.fixture(scope="module")
def finished(tiny_template, tmp_path_factory):
    def make(folder):
        (folder / "data/carpet").mkdir(parents=True)
        Image.fromarray(DRAWN).save(folder / "data/carpet/roi.png")
        run_project(tiny_template, folder, OVERLAY, METHODS)

    return shared(tmp_path_factory, "with_region", make)


@pytest.fixture
def here(finished, monkeypatch):
    monkeypatch.chdir(finished)
    return finished


def pixels_of(path):
    return np.asarray(Image.open(path).convert("RGB"))


def changed(picture, where):
    return np.where(where[..., None], 255 - picture, picture)


def test_prepared_pictures_show_nothing_outside_and_masks_mark_nothing_there(here):
    images, masks, region = (open_array(path) for path in (paths.IMAGES, paths.MASKS, paths.REGION))
    assert np.array_equal(region, DRAWN)
    assert (images[:, ~DRAWN] == GREY).all()
    assert not (images[:, DRAWN] == GREY).all()
    assert not masks[:, ~DRAWN].any()
    assert masks[:, DRAWN].any()


@pytest.mark.parametrize("method", METHODS)
def test_what_lies_outside_changes_no_score_and_no_map(method, here):
    predictor = load(bundle_of(method))
    assert np.array_equal(predictor.bundle.preprocess.region, DRAWN)
    picture = pixels_of(pictures_of("test", "good")[0])
    kept, outside, inside = predictor.predict([picture, changed(picture, FAR), changed(picture, DRAWN)])
    assert outside.pred_score == kept.pred_score
    assert inside.pred_score != kept.pred_score
    if kept.anomaly_map is not None:
        assert np.array_equal(outside.anomaly_map, kept.anomaly_map)
        assert not kept.anomaly_map[~DRAWN].any()
        assert kept.anomaly_map[DRAWN].any()


def test_a_dark_frame_is_seen_as_one_in_spite_of_the_grey_around_it(here):
    (verdict,) = load(bundle_of("zscore")).predict(np.zeros((SIDE, SIDE, 3), np.uint8))
    assert verdict.levels == (0, 0)


@pytest.mark.parametrize("method", METHODS)
def test_a_bundle_says_what_the_pipeline_says(method, here):
    predictor, table = load(bundle_of(method)), read_table(paths.SCORE / method / paths.TEST_SCORES)
    found = {str(one.path): one.pred_score for one in predictor.predict(pictures_of("test"))}
    for image_id, score in zip(table["image_id"], table["score"], strict=True):
        assert found[str(PICTURES / "test" / image_id)] == pytest.approx(score, rel=1e-6)


@pytest.mark.parametrize("method", ["patch_vit", "padim", "subspace"])
def test_only_places_that_count_are_kept(method, here):
    detector = load(bundle_of(method)).fitted.detector
    height, width = detector.places.shape
    expected = Places.of(DRAWN, height, width).counting
    assert np.array_equal(detector.places.counting, expected)
    assert 0 < expected.sum() < expected.size
    if method == "patch_vit":
        assert detector.grid == (1, expected.sum())
        assert len(detector.bank.rows) == detector.pictures * expected.sum()


def test_the_report_counts_no_pixel_outside(here, tmp_path, monkeypatch):
    shutil.copytree(here, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    set_params(paths.PARAMS, paths.PARAMS, {"evaluate": {"bootstrap": 20}})
    with_maps = [method for method in METHODS if (paths.SCORE / method / paths.TEST_MAPS).is_file()]
    evaluate()
    found = read_json(paths.REPORT)["methods"]
    assert all(0 <= found[method]["pixels"]["auroc"] <= 1 for method in with_maps)
    before = {method: found[method]["pixels"] for method in with_maps}
    for name in (paths.TEST_MAPS, paths.CALIBRATION_MAPS):  # whatever maps hold far outside, nothing looks at it
        maps = np.array(open_array(paths.SCORE / "ae" / name))
        maps[:, 0] = maps[:, :, 0] = 1000.0
        np.save(paths.SCORE / "ae" / name, maps)
    evaluate()
    assert {method: read_json(paths.REPORT)["methods"][method]["pixels"] for method in with_maps} == before


def test_pictures_join_a_bundle_and_bundles_join_each_other(here):
    for method in ("patch_vit", "subspace"):
        predictor = load(bundle_of(method, "--extendable"))
        added = add_pictures(predictor, find(pictures_of("test", "good")))
        assert len(added.bundle.pictures) == len(predictor.bundle.pictures) + len(added.new) > 24
        assert np.array_equal(added.bundle.preprocess.region, DRAWN)
        (verdict,) = type(predictor)(added.bundle).predict(pictures_of("test", "good")[:1])
        assert np.isfinite(verdict.pred_score)


def test_bundles_of_other_regions_do_not_merge(here):
    bundle, _ = read_bundle(bundle_of("patch_vit"))
    wider = np.ones_like(DRAWN)
    wider[0] = False
    other = replace(bundle, preprocess=replace(bundle.preprocess, region=wider))
    with pytest.raises(IadError, match=r"a and b do not fit together: preprocess.region is \w+ in the first"):
        merge_bundles({"a": bundle, "b": other}, "c")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda region: region[:8], r"a region of interest of bool and the shape \(8, 64\)"),
        (np.zeros_like, "or that keeps nothing"),
    ],
)
def test_a_bundle_with_a_region_that_fits_no_picture_is_refused(change, line, here, tmp_path):
    def broken(_, arrays):
        arrays["preprocess/region"] = np.ascontiguousarray(change(arrays["preprocess/region"]))

    file = reseal(bundle_of("zscore"), broken, tmp_path / "broken.iad")
    with pytest.raises(IadError, match=line):
        read_bundle(file)


@pytest.mark.parametrize("method", ["ae", "resnet", "patch_vit", "hybrid", "padim"])
def test_a_graph_says_what_its_bundle_says(method, here, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    made = export_bundle(bundle_of(method), format="onnx", out=tmp_path / "out", checked_on=Path(PICTURES / "test"))
    assert made.checked.flipped == 0


def test_fit_finds_the_region_beside_the_pictures_and_takes_one(here, tmp_path, tiny_weights, capsys):
    options = {"model": "test_vit", "weights": f"file:{tiny_weights['test_vit']}", "patches": {"layers": [2, 4]}}
    how = {"backbone": options, "image_size": 64, "device": "cpu"}
    folder = tmp_path / "carpet"
    shutil.copytree(PICTURES / "train", folder)
    shutil.copy("data/carpet/roi.png", folder)
    beside = fit(folder, "patch_vit", **how)
    assert re.search(r"region of interest from .*roi.png: 43 % of the picture counts", capsys.readouterr().out)
    given = fit(PICTURES / "train", "patch_vit", roi=DRAWN, **how)
    for one in (beside, given):
        assert len(one.bundle.pictures) == 24
        assert np.array_equal(one.bundle.preprocess.region, DRAWN)
    picture = pictures_of("test", "good")[0]
    scores = [next(iter(one.predict(picture))).pred_score for one in (beside, given)]
    assert scores[0] == scores[1]


def test_a_region_that_keeps_everything_changes_nothing(here, tiny_weights):
    options = {"model": "test_vit", "weights": f"file:{tiny_weights['test_vit']}", "patches": {"layers": [2, 4]}}
    how = {"backbone": options, "image_size": 64, "device": "cpu"}
    whole, without = (fit(PICTURES / "train", "patch_vit", roi=roi, **how) for roi in (np.ones_like(DRAWN), None))
    for one, two in zip(*(each.predict(pictures_of("test")) for each in (whole, without)), strict=True):
        assert one.pred_score == two.pred_score
        assert np.array_equal(one.anomaly_map, two.anomaly_map)


def test_a_bundle_of_the_format_before_regions_is_read(here, tmp_path):
    def older(values, arrays):
        values["format"] = 5
        arrays.pop("preprocess/region")

    bundle, _ = read_bundle(reseal(bundle_of("zscore"), older, tmp_path / "older.iad"))
    assert bundle.preprocess.region is None
    assert bundle.preprocess != read_bundle(bundle_of("zscore"))[0].preprocess
