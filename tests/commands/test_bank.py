"""`iad bank` on a tiny project. The oracle is the pipeline: its scores, its thresholds, its decoding."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from iad import paths
from iad.cli import app
from iad.data.manifest import read_manifest
from iad.detectors.maps import FullMaps
from iad.errors import IadError
from iad.io import read_json, read_table, write_json
from iad.serving.bank_file import HEADER, read_bank
from tests.banked import PICTURES, run_project
from tests.conftest import set_params

BANK = Path("banks/patch_vit.safetensors")


@pytest.fixture(scope="module")
def finished(tiny_template, tmp_path_factory):
    folder = tmp_path_factory.mktemp("banked") / "project"
    overlay = {"compute": {"precision": "fp32"}, "evaluate": {"red_rate": 0.5}}
    run_project(tiny_template, folder, overlay, ("patch_resnet", "patch_vit"))
    return folder


@pytest.fixture(scope="module")
def unusual(tiny_template, tmp_path_factory):
    """Every option that changes how patches are extracted or scored."""
    folder = tmp_path_factory.mktemp("unusual") / "project"
    patches = {"tile": 32, "turns": 4, "mirror": True, "neighbourhood": 3}
    patch = {"k": 2, "coreset": 0.5, "aggregate": "max", "foreground": "pca", "calibration": 6}
    overlay = {"vit": {"patches": patches, "normalize": "imagenet", "depth": 5}, "patch": patch}
    run_project(tiny_template, folder, {"compute": {"precision": "bf16", "batch_size": 5}} | overlay)
    return folder


@pytest.fixture
def project(finished, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(finished, tmp_path / "project"))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def fitted(project):
    bank("fit", "patch_vit")
    return project


def bank(*arguments):
    """Run `iad bank`; a refusal is raised."""
    found = CliRunner().invoke(app, ["bank", *map(str, arguments)], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def pictures_of(split):
    return sorted((PICTURES / split).rglob("*.png"))


def scores_in(path):
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {row["picture"]: (float(row["score"]), row["rejected"] == "1") for row in rows}


def check_scores(method, file):
    """Score the test pictures with a bank, and compare with the pipeline."""
    bank("score", file, PICTURES / "test", "--out", "scores.csv")
    found = scores_in(Path("scores.csv"))
    table = read_table(paths.SCORE / method / paths.TEST_SCORES)
    threshold = read_json(paths.THRESHOLD / method / paths.THRESHOLD_FILE)["value"]
    assert len(found) == len(table["score"])
    for image_id, score in zip(table["image_id"], table["score"], strict=True):
        assert found[(PICTURES / "test" / image_id).as_posix()] == (pytest.approx(score, rel=1e-6), score >= threshold)


@pytest.mark.parametrize("method", ["patch_resnet", "patch_vit"])
def test_a_bank_scores_the_test_pictures_as_the_pipeline_does(project, method):
    bank("fit", method)
    check_scores(method, f"banks/{method}.safetensors")


def test_tiles_turned_copies_a_coreset_and_a_foreground_are_those_of_the_pipeline(unusual, monkeypatch):
    monkeypatch.chdir(unusual)
    bank("fit", "patch_vit")
    check_scores("patch_vit", BANK)
    good = [path for path in pictures_of("test") if "good" in path.as_posix()]
    bank("add", BANK, *good, "--out", "more.safetensors")
    before, after = read_bank(BANK)[0], read_bank(Path("more.safetensors"))[0]
    assert len(after.pictures) == len(before.pictures) + len(good)
    assert after.versions == 8
    assert len(after.rows) == round(0.5 * len(after.pictures) * after.per_picture)
    assert len(after.calibration.scores) == 6
    assert np.isfinite(after.calibration.scores).all()


def test_fitting_twice_gives_the_same_bytes(project):
    bank("fit", "patch_vit")
    first = BANK.read_bytes()
    bank("fit", "patch_vit", "--force")
    assert BANK.read_bytes() == first


def test_show_says_what_is_in_a_bank(fitted):
    shown = bank("show", BANK)
    verdict = read_json(paths.THRESHOLD / "patch_vit" / paths.THRESHOLD_FILE)
    for text in ("16 good ones", "test_vit", "64 x 64 px", f"{verdict['value']:.4f}", verdict["guarantee"]):
        assert text in shown


def test_a_picture_that_the_bank_knows_is_not_added_again(fitted):
    before = BANK.read_bytes()
    said = bank("add", BANK, PICTURES / "train")
    assert "16 left out, which the bank knows already" in said
    assert BANK.read_bytes() == before


def test_added_pictures_are_in_the_bank_with_the_patches_that_the_stage_extracts(fitted):
    good = [path for path in pictures_of("test") if "good" in path.as_posix()]
    bank("score", BANK, *good, "--out", "before.csv")
    said = bank("add", BANK, *good[:3], good[0])
    assert "3 pictures added, 19 now" in said
    assert "1 left out" in said
    after, _ = read_bank(BANK)
    assert len(after.pictures) == 19
    said = bank("score", BANK, *good, "--out", "after.csv")
    assert "3 are pictures of the bank itself" in said
    before, now = scores_in(Path("before.csv")), scores_in(Path("after.csv"))
    known = [path.as_posix() for path in good[:3]]
    assert all(now[path][0] < 1e-3 < before[path][0] for path in known)
    manifest, patches = read_manifest(paths.MANIFEST), np.load(paths.EXTRACT_VIT / paths.PATCHES)
    rows = [list(manifest["image_id"]).index(path.relative_to(PICTURES / "test").as_posix()) for path in good[:3]]
    np.testing.assert_array_equal(after.patches[-3 * after.per_picture :], patches[rows].reshape(-1, patches.shape[3]))


def test_an_added_picture_that_the_bank_would_have_rejected_is_pointed_out(fitted):
    odd = next(path for path in pictures_of("test") if "good" not in path.as_posix())
    Path("odd.png").write_bytes(odd.read_bytes())
    found, _ = read_bank(BANK)
    bank("score", BANK, "odd.png", "--out", "odd.csv")
    rejected = scores_in(Path("odd.csv"))["odd.png"][1]
    assert ("would have rejected" in bank("add", BANK, "odd.png", "--out", "more.safetensors")) == rejected
    assert len(read_bank(BANK)[0].pictures) == len(found.pictures)
    assert len(read_bank(Path("more.safetensors"))[0].pictures) == len(found.pictures) + 1


def test_a_merged_bank_holds_the_pictures_of_both_once(fitted):
    good = [path for path in pictures_of("test") if "good" in path.as_posix()]
    bank("add", BANK, *good[:2], "--out", "a.safetensors")
    bank("add", BANK, *good[1:4], "--out", "b.safetensors")
    bank("merge", "a.safetensors", "b.safetensors", "--out", "both.safetensors")
    merged, _ = read_bank(Path("both.safetensors"))
    assert len(merged.pictures) == 16 + 4
    assert len(set(merged.pictures.sha256)) == 20
    bank("add", BANK, *good[:4], "--out", "at_once.safetensors")
    at_once, _ = read_bank(Path("at_once.safetensors"))
    np.testing.assert_array_equal(merged.patches, at_once.patches)
    np.testing.assert_allclose(merged.calibration.scores, at_once.calibration.scores, rtol=1e-9)
    assert merged.verdict == at_once.verdict


def test_overlays_are_red_exactly_where_the_map_reaches_the_banks_pixel_threshold(fitted):
    found, _ = read_bank(BANK)
    calibration = np.load(paths.SCORE / "patch_vit" / paths.CALIBRATION_MAPS)
    sigma = found.settings["maps"]["sigma"] * 64
    assert found.colours["usual"] == float(np.median(calibration))
    peaks = sorted(float(one.max()) for one in FullMaps(calibration, 64, sigma))
    assert found.colours["red"] == np.nextafter(peaks[8], np.inf)  # half of 16 good pictures, and one
    bank("score", BANK, PICTURES / "test", "--maps", "maps")
    drawn = sorted(Path("maps").rglob("*.png"))
    assert [path.relative_to("maps") for path in drawn] == [
        path.relative_to(PICTURES / "test") for path in pictures_of("test")
    ]
    marked = 0
    for path, full in zip(
        drawn, FullMaps(np.load(paths.SCORE / "patch_vit" / paths.TEST_MAPS), 64, sigma), strict=True
    ):
        pixels = np.asarray(Image.open(path)).astype(int)
        red = pixels[..., 0] > pixels[..., 2]
        np.testing.assert_array_equal(red, full >= found.colours["red"])
        marked += red.sum()
    assert marked


def test_an_overlay_has_the_size_of_its_picture_and_no_two_share_a_file(fitted):
    Path("wide").mkdir()
    Image.open(pictures_of("test")[0]).resize((90, 40)).save("wide/a.png")
    bank("score", BANK, "wide", "--maps", "maps")
    assert Image.open("maps/a.png").size == (90, 40)
    Image.open("wide/a.png").save("wide/a.jpg")
    refused("score", BANK, "wide", "--maps", "others", match=r"a\.jpg and wide.a\.png would share the overlay a\.png")
    assert not Path("others").exists()


def test_a_grey_picture_is_read_as_preprocess_reads_it(fitted):
    Path("colour").mkdir()
    for path in pictures_of("test")[:2]:
        grey = Image.open(path).convert("L")
        grey.save(f"colour/{path.stem}_grey.png")
        grey.convert("RGB").save(f"colour/{path.stem}_rgb.png")
    bank("score", BANK, "colour", "--out", "scores.csv")
    first, second, third, fourth = (score for score, _ in scores_in(Path("scores.csv")).values())
    assert (first, third) == (second, fourth)


# refusals: one clear line each


def refused(*arguments, match):
    with pytest.raises(IadError, match=match) as caught:
        bank(*arguments)
    assert "\n" not in str(caught.value)


def test_only_patch_methods_have_a_bank(project):
    refused("fit", "vit", match=r"vit: not a patch method.*patch_resnet or patch_vit")
    refused("fit", "patch_vti", match="did you mean 'patch_vit'")


def test_what_is_there_is_replaced_only_by_force(fitted):
    before = BANK.read_bytes()
    Path("scores.csv").write_text("mine")
    refused("fit", "patch_vit", match=r"exists already.*--force")
    refused("score", BANK, PICTURES, "--out", "scores.csv", match="--force")
    refused("score", BANK, PICTURES, "--maps", PICTURES, match="--force")
    refused("add", BANK, PICTURES, "--out", "scores.csv", match="--force")
    refused("merge", BANK, BANK, "--out", BANK, match="--force")
    assert BANK.read_bytes() == before
    assert Path("scores.csv").read_text() == "mine"


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.3, 0.999])
def test_a_bank_cut_short_is_refused(fitted, share):
    data = BANK.read_bytes()
    BANK.write_bytes(data[: int(share * len(data))])
    refused("show", BANK, match="cut short|no memory bank")


def test_an_altered_byte_anywhere_is_refused(fitted):
    data = BANK.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    for place in [*np.random.default_rng(0).integers(len(data), size=30).tolist(), 0, 9, end - 200, end, len(data) - 1]:
        altered = bytearray(data)
        altered[place] ^= 1
        BANK.write_bytes(altered)
        refused("show", BANK, match="altered|no memory bank|format")


def test_what_is_no_bank_is_refused(fitted):
    refused("show", "nowhere.safetensors", match="no such file")
    refused("show", paths.PARAMS, match="no memory bank")
    save_file({"a": np.zeros(3)}, "other.safetensors")
    refused("score", "other.safetensors", PICTURES, match="no memory bank")


def test_a_bank_of_a_newer_format_is_refused(fitted):
    save_file(load_file(BANK), "new.safetensors", metadata={HEADER: '{"format": 99}'})
    refused("show", "new.safetensors", match="format 99.*reads format 1.*update")


def test_other_weights_are_refused_by_name(fitted, tiny_weights, tmp_path):
    from safetensors.torch import load_file as load_torch
    from safetensors.torch import save_file as save_torch

    state = load_torch(tiny_weights["test_vit"])
    state["cls_token"] = state["cls_token"] + 1
    save_torch(state, tmp_path / "others.safetensors")
    refused(
        "score", BANK, PICTURES, "--weights", f"file:{tmp_path / 'others.safetensors'}",
        match="other weights of test_vit .* than file:",
    )  # fmt: skip
    refused("score", BANK, PICTURES, "--weights", "file:none", match="weights file none is missing.*--weights names")
    refused("score", BANK, PICTURES, "--weights", "there", match="give wheel, hub or file:PATH")
    refused("score", BANK, PICTURES, "--device", "gpu", match="unknown device 'gpu'")


def test_banks_of_other_weights_layers_sizes_or_settings_are_not_merged(fitted):
    bank("fit", "patch_resnet")
    refused(
        "merge",
        BANK,
        "banks/patch_resnet.safetensors",
        "--out",
        "c",
        match=r"backbone\.name is test_vit in .* test_res",
    )
    assert not Path("c").exists()


def test_parameters_that_dvc_did_not_run_with_are_refused(project):
    lock = {"stages": {"preprocess": {"params": {"params.yaml": {"preprocess.image_size": 64}}}}}
    paths.LOCK.write_text(json.dumps(lock))
    bank("fit", "patch_vit")
    lock["stages"]["preprocess"]["params"]["params.yaml"]["preprocess.image_size"] = 32
    paths.LOCK.write_text(json.dumps(lock))
    refused("fit", "patch_vit", "--force", match=r"preprocess\.image_size is 64, but .* preprocess are of 32; run `dvc")


def test_a_backbone_that_bank_files_do_not_know_is_refused(project):
    file = paths.EXTRACT_VIT / paths.BACKBONE_RECORD
    write_json(file, read_json(file) | {"pruned": 0.5})
    refused("fit", "patch_vit", match="do not know the backbone's pruned")


def test_results_of_other_parameters_are_refused(project):
    set_params(paths.PARAMS, paths.PARAMS, {"patch": {"coreset": 0.5}})
    refused("fit", "patch_vit", match=r"bank of 256 patches, not 128; run `dvc repro`")


def test_pictures_that_cannot_be_read_are_refused_and_the_bank_stays_as_it_is(fitted):
    before = BANK.read_bytes()
    Path("empty").mkdir()
    refused("add", BANK, "empty", match="empty: no picture in this folder")
    refused("add", BANK, "nowhere", match="nowhere: no such file or folder")
    Path("broken.png").write_bytes(pictures_of("test")[0].read_bytes()[:200])
    refused("add", BANK, pictures_of("test")[1], "broken.png", match=r"broken\.png: .*damaged")
    Path("notes.txt").write_text("hello")
    refused("score", BANK, "notes.txt", match="not a picture")
    assert BANK.read_bytes() == before
    assert sorted(path.name for path in BANK.parent.iterdir()) == [BANK.name]


def test_without_a_command_the_help_is_shown(project):
    shown = bank()
    assert all(name in shown for name in ("fit", "show", "add", "merge", "score"))


def test_the_manifests_hashes_are_those_of_the_files(fitted):
    found, _ = read_bank(BANK)
    manifest = read_manifest(paths.MANIFEST)
    known = dict(zip(manifest["image_id"], manifest["sha256"], strict=True))
    assert [known[image_id] for image_id in found.pictures.ids] == list(found.pictures.sha256)
