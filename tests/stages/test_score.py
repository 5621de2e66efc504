"""`score` on a tiny prepared folder. The oracles are a double loop over features, and error maps one by one."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from iad import paths
from iad.bundles.fitted import read_fitted
from iad.compute import Runtime
from iad.data.manifest import read_manifest
from iad.detectors.autoencoder.network import build_autoencoder, to_pixels
from iad.errors import IadError
from iad.io import new_array, read_json, read_table, write_json
from iad.stages.score import score
from iad.stages.train_ae import train_ae
from tests.conftest import set_params
from tests.prepared import write_features, write_prepared

K = 2  # of the tiny parameters
FP32 = Runtime("cpu", "fp32", 1)
RAW = {"cell": 1, "normalize": False, "aggregate": "mean"}


@pytest.fixture
def prepare(tiny_template, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda **options: write_prepared(tiny_template, tmp_path, **options)


def change(**overlay):
    set_params(paths.PARAMS, paths.PARAMS, overlay)


def calibrated_by(method):
    return read_table(paths.SCORE / method / paths.CALIBRATION_SCORES)


def scored_by(method):
    return read_table(paths.SCORE / method / paths.TEST_SCORES)


def files(method):
    return {path.name: path.read_bytes() for path in (paths.SCORE / method).iterdir()}


def rows_of(split):
    return np.flatnonzero(read_manifest(paths.MANIFEST)["split"] == split)


def neighbour_score(features, row, bank):
    """Mean distance of one picture to its K nearest of the bank, itself left out."""
    distances = sorted(float(np.linalg.norm(features[row] - features[other])) for other in bank if other != row)
    return sum(distances[:K]) / K


def error_score(row):
    model = build_autoencoder(4, 4, image_size=32)
    model.load_state_dict(load_file(paths.AE_MODEL))
    pixels = to_pixels(np.load(paths.IMAGES)[row : row + 1], FP32)
    with torch.no_grad():
        return float(((model(pixels) - pixels) ** 2).mean())


@pytest.mark.parametrize(("method", "source"), [("resnet", paths.EXTRACT_RESNET), ("vit", paths.EXTRACT_VIT)])
def test_knn_scores_equal_a_double_loop_and_calibration_leaves_each_picture_out(method, source, prepare, capsys):
    prepare()
    features = write_features(Path(), source).astype(np.float64)
    score(method)
    train, test, ids = rows_of("train"), rows_of("test"), read_manifest(paths.MANIFEST)["image_id"]
    calibration, tested = calibrated_by(method), scored_by(method)
    assert calibration["image_id"].tolist() == ids[train].tolist()
    assert tested["image_id"].tolist() == ids[test].tolist()
    np.testing.assert_allclose(calibration["score"], [neighbour_score(features, row, train) for row in train])
    np.testing.assert_allclose(tested["score"], [neighbour_score(features, row, train) for row in test])
    assert capsys.readouterr().out == f"score: {method}: 12 calibration and 9 test pictures\n"


def test_the_tables_have_the_columns_and_types_of_the_contract(prepare):
    prepare()
    write_features(Path(), paths.EXTRACT_VIT)
    score("vit")
    calibration, tested = calibrated_by("vit"), scored_by("vit")
    assert list(calibration) == ["image_id", "score", "scheme", "map_scheme"]
    assert list(tested) == ["image_id", "label", "defect", "score"]
    assert calibration["score"].dtype == tested["score"].dtype == np.float64
    assert tested["label"].dtype == np.int64
    manifest, rows = read_manifest(paths.MANIFEST), rows_of("test")
    assert tested["label"].tolist() == manifest["label"][rows].tolist()
    assert tested["defect"].tolist() == manifest["defect"][rows].tolist()


@pytest.mark.parametrize(
    ("calibration", "standardize", "scheme"),
    [(0, False, "leave_one_out"), (0, True, "jackknife"), (3, False, "split"), (3, True, "split")],
)
def test_knn_says_how_its_calibration_scores_were_made(calibration, standardize, scheme, prepare):
    prepare(calibration=calibration, method={"standardize": standardize})
    write_features(Path(), paths.EXTRACT_VIT)
    score("vit")
    assert set(calibrated_by("vit")["scheme"]) == {scheme}


@pytest.mark.parametrize(("calibration", "scheme"), [(0, "held_out"), (3, "split")])
def test_the_autoencoder_says_how_its_calibration_scores_were_made(calibration, scheme, prepare):
    prepare(calibration=calibration)
    train_ae()
    score("ae")
    assert set(calibrated_by("ae")["scheme"]) == {scheme}


def test_provenance_says_what_was_computed_by_what_on_what(prepare):
    prepare()
    write_features(Path(), paths.EXTRACT_VIT)
    score("vit")
    assert read_json(paths.SCORE / "vit" / paths.PROVENANCE) == {
        "method": "vit",
        "reads": "extract_vit",
        "detector": {
            "name": "knn", "k": K, "aggregate": "mean", "metric": "euclidean", "standardize": False, "pca": 0,
            "index": "exact", "bank": 12,
        },
        "model": {"name": "net", "weights_sha256": "0" * 64},
        "runtime": {"device": "cpu", "precision": "bf16"},
    }  # fmt: skip


def test_knn_calibrates_on_the_pictures_set_apart_and_keeps_them_out_of_the_bank(prepare):
    prepare(calibration=3)
    features = write_features(Path(), paths.EXTRACT_VIT).astype(np.float64)
    score("vit")
    train, apart, test = (rows_of(split) for split in ("train", "calibration", "test"))
    calibration = calibrated_by("vit")
    assert calibration["image_id"].tolist() == read_manifest(paths.MANIFEST)["image_id"][apart].tolist()
    np.testing.assert_allclose(calibration["score"], [neighbour_score(features, row, train) for row in apart])
    np.testing.assert_allclose(scored_by("vit")["score"], [neighbour_score(features, row, train) for row in test])
    assert read_json(paths.SCORE / "vit" / paths.PROVENANCE)["detector"]["bank"] == 12


def test_the_autoencoder_calibrates_on_its_held_out_pictures(prepare):
    prepare(reconstruction=RAW)
    train_ae()
    score("ae")
    held_out, calibration = read_table(paths.AE_HELD_OUT), calibrated_by("ae")
    kept = held_out["image_id"][held_out["share"] == "calibration"]
    assert calibration["image_id"].tolist() == sorted(kept)
    rows = [int(name.removesuffix(".png")) for name in calibration["image_id"]]
    np.testing.assert_allclose(calibration["score"], [error_score(row) for row in rows], rtol=1e-4)
    np.testing.assert_allclose(scored_by("ae")["score"], [error_score(row) for row in rows_of("test")], rtol=1e-4)


def test_the_autoencoder_calibrates_on_the_pictures_set_apart(prepare):
    prepare(calibration=3, reconstruction=RAW)
    train_ae()
    score("ae")
    apart, calibration = rows_of("calibration"), calibrated_by("ae")
    assert calibration["image_id"].tolist() == read_manifest(paths.MANIFEST)["image_id"][apart].tolist()
    np.testing.assert_allclose(calibration["score"], [error_score(row) for row in apart], rtol=1e-4)


def test_the_autoencoder_provenance_holds_its_history_and_settings(prepare):
    prepare()
    train_ae()
    score("ae")
    provenance = read_json(paths.SCORE / "ae" / paths.PROVENANCE)
    assert list(provenance) == ["method", "reads", "detector", "model", "runtime"]
    assert provenance["detector"] == {
        "name": "autoencoder", "cell": 4, "normalize": True, "aggregate": "top", "top_share": 0.01,
    }  # fmt: skip
    assert provenance["model"]["history"] == read_json(paths.AE_RECORD)["history"]
    assert provenance["runtime"] == FP32.record()


@pytest.mark.parametrize("calibration", [0, 3])
def test_what_counts_as_usual_is_learned_from_the_trained_pictures_alone(calibration, prepare):
    prepare(calibration=calibration)
    train_ae()
    score("ae")
    before = scored_by("ae")["score"]
    learned = rows_of("train")
    ids = read_manifest(paths.MANIFEST)["image_id"]
    learned = learned[~np.isin(ids[learned], read_table(paths.AE_HELD_OUT)["image_id"])]
    images = np.load(paths.IMAGES)
    untouched = np.union1d(learned, rows_of("test"))
    images[np.setdiff1d(np.arange(len(images)), untouched)] = 255
    np.save(paths.IMAGES, images)
    score("ae")
    np.testing.assert_array_equal(scored_by("ae")["score"], before)
    images[learned] = 255
    np.save(paths.IMAGES, images)
    score("ae")
    assert not np.allclose(scored_by("ae")["score"], before)


def test_spotted_pictures_score_higher_than_good_ones(prepare):
    prepare(reconstruction=RAW)
    train_ae()
    score("ae")
    tested = scored_by("ae")
    assert tested["score"][tested["label"] == 1].min() > tested["score"][tested["label"] == 0].max()


def test_two_runs_write_the_same_bytes(prepare):
    prepare()
    train_ae()
    written = []
    for _ in range(2):
        score("ae")
        written.append(files("ae"))
    assert written[0] == written[1]
    maps = {paths.CALIBRATION_MAPS, paths.TEST_MAPS}
    tables = {paths.CALIBRATION_SCORES, paths.TEST_SCORES}
    assert set(written[0]) == {paths.DETECTOR, paths.PROVENANCE} | tables | maps


def test_an_unknown_method_is_refused_with_the_nearest_name(prepare):
    prepare()
    with pytest.raises(IadError, match="unknown method 'resnt'; did you mean 'resnet'"):
        score("resnt")


def test_a_method_tuned_by_a_section_that_tunes_none_is_refused(prepare):
    prepare()
    change(methods={"vit": {"reads": "extract_vit", "params": "methd"}})
    with pytest.raises(IadError, match=r"methods\.vit\.params = methd: knn is tuned by method; name that"):
        score("vit")
    assert not paths.SCORE.exists()


@pytest.mark.parametrize(("calibration", "k", "available"), [(0, 12, 11), (3, 13, 12)])
def test_more_neighbours_than_good_pictures_are_refused_and_change_nothing(calibration, k, available, prepare):
    prepare(calibration=calibration, method={"k": k - 1})
    write_features(Path(), paths.EXTRACT_VIT)
    score("vit")  # one neighbour fewer is accepted
    change(method={"k": k})
    before = files("vit")
    with pytest.raises(IadError, match=rf"k = {k}: .* only {available} can be neighbours .*k to {available}"):
        score("vit")
    assert files("vit") == before


@pytest.mark.parametrize(("method", "missing"), [("vit", r"backbone\.json"), ("ae", r"autoencoder\.json")])
def test_a_missing_stage_is_refused_with_what_to_do(method, missing, prepare):
    prepare()
    with pytest.raises(IadError, match=rf"{missing}: missing; run `dvc repro`"):
        score(method)
    assert not paths.SCORE.exists()


@pytest.mark.parametrize(("method", "missing"), [("vit", paths.FEATURES), ("patch_vit", paths.PATCHES)])
def test_a_file_that_a_stage_has_not_left_is_refused_with_what_to_do(method, missing, prepare):
    prepare()
    write_features(Path(), paths.EXTRACT_VIT)
    record = read_json(paths.EXTRACT_VIT / paths.BACKBONE_RECORD)
    write_json(paths.EXTRACT_VIT / paths.BACKBONE_RECORD, record | {"patches": {"layers": [2]}})
    (paths.EXTRACT_VIT / missing).unlink(missing_ok=True)
    with pytest.raises(IadError, match=rf"{re.escape(missing)}: missing; run `dvc repro`"):
        score(method)
    assert not paths.SCORE.exists()


def test_what_is_kept_says_of_test_pictures_what_was_written(prepare):
    prepare()
    features = write_features(Path(), paths.EXTRACT_VIT)
    score("vit")
    kept = read_fitted("vit")
    assert (kept.method, kept.kind, kept.reads) == ("vit", "knn", "extract_vit")
    said = kept.detector.predict(features[rows_of("test")])
    np.testing.assert_array_equal(scored_by("vit")["score"], said.pred_score)


def test_maps_of_an_earlier_run_by_hand_go_where_a_method_has_none_any_more(prepare):
    prepare()
    write_features(Path(), paths.EXTRACT_VIT)
    for name in (paths.CALIBRATION_MAPS, paths.TEST_MAPS):
        with new_array(paths.SCORE / "vit" / name, (9, 2, 2), np.float32) as maps:
            maps[:] = 0
    score("vit")
    assert set(files("vit")) == {paths.CALIBRATION_SCORES, paths.TEST_SCORES, paths.PROVENANCE, paths.DETECTOR}
