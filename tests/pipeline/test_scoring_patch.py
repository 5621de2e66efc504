"""`score` with a patch method on a tiny prepared folder. The oracle is a loop over patches."""

import numpy as np
import pytest

from iad import paths
from iad.compute import Runtime
from iad.data.manifest import read_manifest
from iad.errors import IadError
from iad.io import new_array, read_json, read_table, write_json
from iad.stages.extract_vit import extract_vit
from iad.stages.score import score
from tests.conftest import set_params
from tests.prepared import write_prepared

FOLDER = paths.SCORE / "patch_vit"


@pytest.fixture
def prepare(tiny_template, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(**options):
        write_prepared(tiny_template, tmp_path, **options)
        rows = len(np.load(paths.IMAGES, mmap_mode="r"))
        with new_array(paths.EXTRACT_VIT / paths.PATCHES, (rows, 2, 3, 4), np.float16) as patches:
            patches[:] = np.random.default_rng(1).normal(size=patches.shape)
        record = {"name": "net", "patches": {"layers": [2], "neighbourhood": 1}, "runtime": {"device": "cpu"}}
        write_json(paths.EXTRACT_VIT / paths.BACKBONE_RECORD, record)

    return write


def rows_of(split):
    return np.flatnonzero(read_manifest(paths.MANIFEST)["split"] == split)


def oracle(row, bank):
    patches = np.load(paths.EXTRACT_VIT / paths.PATCHES).astype(np.float64)
    good = patches[[other for other in bank if other != row]].reshape(-1, 4)
    return np.array([[np.linalg.norm(good - patch, axis=1).min() for patch in line] for line in patches[row]])


def test_maps_and_scores_are_distances_to_the_patches_of_other_training_pictures(prepare):
    prepare(patch={"aggregate": "max", "subtract_median": 0, "map_above": 0})
    score("patch_vit")
    train = rows_of("train")
    for split, maps, scores in (
        ("train", paths.CALIBRATION_MAPS, paths.CALIBRATION_SCORES),
        ("test", paths.TEST_MAPS, paths.TEST_SCORES),
    ):
        expected = np.stack([oracle(row, train) for row in rows_of(split)])
        np.testing.assert_allclose(np.load(FOLDER / maps), expected, rtol=1e-6)
        np.testing.assert_allclose(read_table(FOLDER / scores)["score"], expected.max(axis=(1, 2)), rtol=1e-6)
    assert set(read_table(FOLDER / paths.CALIBRATION_SCORES)["scheme"]) == {"leave_one_out"}
    assert read_json(FOLDER / paths.PROVENANCE)["detector"]["bank"] == len(train) * 6


def test_no_more_pictures_calibrate_than_asked_for_and_they_are_training_pictures(prepare):
    prepare(patch={"calibration": 5, "map_above": 0})
    score("patch_vit")
    ids = read_table(FOLDER / paths.CALIBRATION_SCORES)["image_id"]
    train = read_manifest(paths.MANIFEST)["image_id"][rows_of("train")]
    assert len(set(ids)) == 5
    assert set(ids) < set(train)
    everything = {row: oracle(row, rows_of("train")) for row in rows_of("train")}
    by_id = dict(zip(train, everything.values(), strict=True))
    np.testing.assert_allclose(
        np.load(FOLDER / paths.CALIBRATION_MAPS), [by_id[image_id] for image_id in ids], rtol=1e-6
    )


def test_a_calibration_split_is_used_where_there_is_one(prepare):
    prepare(calibration=3)
    score("patch_vit")
    table = read_table(FOLDER / paths.CALIBRATION_SCORES)
    assert len(table["score"]) == 3
    assert set(table["scheme"]) == {"split"}


def test_the_worst_patches_count_less_the_share_of_the_median(prepare):
    prepare(patch={"aggregate": "top", "top_patches": 2, "subtract_median": 0.5, "map_above": 0})
    score("patch_vit")
    maps = np.load(FOLDER / paths.TEST_MAPS).reshape(9, -1)
    expected = np.sort(maps, axis=1)[:, -2:].mean(axis=1) - np.median(maps, axis=1) / 2
    np.testing.assert_allclose(read_table(FOLDER / paths.TEST_SCORES)["score"], expected, rtol=1e-6)
    assert set(read_table(FOLDER / paths.CALIBRATION_SCORES)["scheme"]) == {"jackknife"}


def test_maps_show_what_is_above_a_quantile_of_the_picture_and_scores_stay(prepare):
    found = {}
    for quantile in (0, 0.25):
        prepare(patch={"map_above": quantile})
        score("patch_vit")
        found[quantile] = np.load(FOLDER / paths.TEST_MAPS), read_table(FOLDER / paths.TEST_SCORES)["score"]
    plain, shown = found[0][0], found[0.25][0]
    quantiles = np.quantile(plain, 0.25, axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(shown, np.maximum(plain - quantiles, 0), atol=1e-6)
    np.testing.assert_array_equal(found[0][1], found[0.25][1])


def test_scores_of_a_coreset_promise_less(prepare):
    prepare(patch={"coreset_sampling_ratio": 0.5})
    score("patch_vit")
    assert set(read_table(FOLDER / paths.CALIBRATION_SCORES)["scheme"]) == {"jackknife"}
    assert read_json(FOLDER / paths.PROVENANCE)["detector"]["bank"] == 36


def test_a_backbone_that_keeps_no_patches_is_refused_with_the_way_to_keep_some(prepare):
    prepare()
    record = read_json(paths.EXTRACT_VIT / paths.BACKBONE_RECORD)
    write_json(paths.EXTRACT_VIT / paths.BACKBONE_RECORD, record | {"patches": {"layers": [], "neighbourhood": 1}})
    with pytest.raises(IadError, match=r"vit\.patches\.layers = \[\]: .*-S 'vit\.patches\.layers="):
        score("patch_vit")


def test_the_stage_before_it_writes_patches_only_where_layers_are_named(prepare):
    prepare()
    extract_vit()
    assert np.load(paths.EXTRACT_VIT / paths.PATCHES, mmap_mode="r").shape == (21, 2, 2, 128)
    (paths.EXTRACT_VIT / paths.PATCHES).unlink()
    set_params(paths.PARAMS, paths.PARAMS, {"vit": {"patches": {"layers": []}}})
    extract_vit()
    assert not (paths.EXTRACT_VIT / paths.PATCHES).exists()


def with_objects(empty=()):
    """Patches of a wide grid with an object in the middle of each picture, unless its row is among the empty."""
    rows = len(np.load(paths.IMAGES, mmap_mode="r"))
    with new_array(paths.EXTRACT_VIT / paths.PATCHES, (rows, 10, 10, 4), np.float16) as patches:
        patches[:] = np.random.default_rng(1).normal(size=patches.shape) * 0.1
        shown = np.setdiff1d(np.arange(rows), empty)
        patches[shown, 3:7, 3:7, 0] += 5 + np.random.default_rng(2).normal(size=(len(shown), 4, 4))


def test_only_the_foreground_counts_and_a_test_picture_without_an_object_is_the_worst(prepare, capsys):
    prepare(patch={"foreground": "pca"})
    empty = rows_of("test")[4]
    with_objects([empty])
    score("patch_vit")
    assert "patch.foreground = pca: 36% of places count" in capsys.readouterr().out
    for maps in (paths.CALIBRATION_MAPS, paths.TEST_MAPS):
        outside = np.delete(np.load(FOLDER / maps), 4, axis=0)
        outside[:, 2:8, 2:8] = 0
        np.testing.assert_array_equal(outside, 0)
    scores = read_table(FOLDER / paths.TEST_SCORES)["score"]
    assert scores.argmax() == 4
    assert scores[4] > read_table(FOLDER / paths.CALIBRATION_SCORES)["score"].max()
    assert read_json(FOLDER / paths.PROVENANCE)["detector"]["foreground"] == "pca"


def test_pictures_that_the_object_fills_are_scored_as_without_a_foreground(prepare, capsys):
    found = {}
    for foreground in ("none", "pca"):
        prepare(patch={"foreground": foreground, "subtract_median": 0})
        score("patch_vit")
        found[foreground] = [
            (FOLDER / name).read_bytes() for name in (paths.CALIBRATION_MAPS, paths.TEST_MAPS, paths.TEST_SCORES)
        ]
        scheme = {"none": "leave_one_out", "pca": "jackknife"}[foreground]  # which places count is learned from all
        assert set(read_table(FOLDER / paths.CALIBRATION_SCORES)["scheme"]) == {scheme}
    assert found["none"] == found["pca"]
    assert "patch.foreground = pca: every place counts: " in capsys.readouterr().out


def test_a_training_picture_without_an_object_is_refused_by_name(prepare):
    prepare(patch={"foreground": "pca"})
    empty = rows_of("train")[3]
    with_objects([empty])
    with pytest.raises(IadError, match=rf"empty foreground: no object in {empty:03d}\.png, where other"):
        score("patch_vit")
    assert not FOLDER.exists()


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_the_bank_is_searched_on_the_card_that_was_asked_for(device, prepare, monkeypatch):
    prepare()
    asked = []

    def bank(*_, device, **__):
        asked.append(device)
        raise IadError("seen")

    monkeypatch.setattr("iad.pipeline.scoring._runtime", lambda _: Runtime(device, "fp32", 1))
    monkeypatch.setattr("iad.detectors.patch.detector.MemoryBank", bank)
    with pytest.raises(IadError, match="seen"):
        score("patch_vit")
    assert asked == ["cuda" if device == "cuda" else "cpu"]
