"""`iad bundle` on a tiny project. The oracle is the pipeline: its scores, its thresholds, its parameters."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iad import paths
from iad.bundles.bundle import read_bundle
from iad.bundles.predictor import load
from iad.commands.bundle import add
from iad.data.manifest import read_manifest, write_manifest
from iad.data.pictures import find
from iad.errors import IadError
from iad.io import read_json, read_table, write_json
from iad.report.overlay import red_scale
from tests.bundled import (
    CLASSICAL,
    METHODS,
    PICTURES,
    WITH_MAPS,
    bundle_of,
    iad,
    pictures_in,
    pictures_of,
    score_again,
)
from tests.conftest import environment, set_params
from tests.helpers import ROOT

pytestmark = pytest.mark.usefixtures("as_the_pipeline")


def refused(*arguments, match):
    with pytest.raises(IadError, match=match) as caught:
        iad(*arguments)
    assert "\n" not in str(caught.value)


def all_files():
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def size(path):
    return path.stat().st_size


# write


@pytest.mark.parametrize("method", METHODS)
def test_a_bundle_holds_the_method_as_its_stages_left_it(project, method):
    before = all_files()
    shown = iad("bundle", method)
    path = Path("bundles") / f"{method}.iad"
    assert {file for file in all_files() if file not in before} == {path}
    assert {file: data for file, data in all_files().items() if file != path} == before
    bundle, digest = read_bundle(path)
    table = read_table(paths.SCORE / method / paths.CALIBRATION_SCORES)
    np.testing.assert_array_equal(bundle.calibration.scores, table["score"])
    assert list(bundle.calibration.pictures.ids) == list(table["image_id"])
    manifest = read_manifest(paths.MANIFEST)
    train = manifest[manifest["split"] == "train"]
    assert list(bundle.pictures.ids) == list(train["image_id"])
    assert list(bundle.pictures.sha256) == list(train["sha256"])
    written = read_json(paths.THRESHOLD / method / paths.THRESHOLD_FILE)
    assert (bundle.threshold.value, bundle.threshold.guarantee) == (written["value"], written["guarantee"])
    assert (bundle.weights, bundle.calibration.kept) == ({}, {})
    assert (bundle.maps is not None) == (method in WITH_MAPS)
    if bundle.maps is not None:
        maps = np.load(paths.SCORE / method / paths.CALIBRATION_MAPS)
        scheme = table["map_scheme"][0]
        assert bundle.maps.red == red_scale(maps, 64, bundle.maps.sigma, 0.5, scheme)["red"]
        proven = scheme in ("split", "held_out", "leave_one_out")
        assert bundle.maps.guaranteed == proven
        assert bundle.maps.promise.startswith("about") != proven
    for text in (str(path), digest, f"method {method}", "16 good, synthetic/carpet", written["guarantee"]):
        assert text in shown


def test_a_bundle_twice_is_the_same_file_and_show_tells_the_same(project):
    shown = iad("bundle", "vit", "--out", "deep/er/a.iad")
    first = Path("deep/er/a.iad").read_bytes()
    assert iad("bundle", "vit", "--out", "deep/er/a.iad", "--force") == shown
    assert Path("deep/er/a.iad").read_bytes() == first
    assert iad("bundle", "show", "deep/er/a.iad") == shown


def test_weights_come_along_when_asked_for(project, tiny_weights):
    small, large = bundle_of("vit"), Path("a.iad")
    said = iad("bundle", "vit", "--with-weights", "--out", large)
    assert "(inside this file)" in said
    assert f"(file:{tiny_weights['test_vit']})" in iad("bundle", "show", small)
    held = sum(array.nbytes for array in read_bundle(large)[0].weights["extract_vit"].values())
    assert size(large) - size(small) == pytest.approx(held, rel=0.1)
    assert size(bundle_of("ae", "--with-weights")) == size(bundle_of("ae"))  # its network is the detector


def test_a_coreset_keeps_what_add_needs_only_when_asked(project):
    """A coreset's bundle carried all patches of the calibrating pictures before, 50 times its own size."""
    whole = size(bundle_of("patch_vit"))
    assert size(bundle_of("patch_vit", "--extendable")) == whole  # which keeps all of them anyway
    set_params(paths.PARAMS, paths.PARAMS, {"patch": {"coreset_sampling_ratio": 0.05}})
    score_again(("patch_vit",))
    good = pictures_of("test", "good")[0]
    small = bundle_of("patch_vit")
    held = read_bundle(small)[0]
    patches, grids = held.packed[1]["patches"].nbytes, sum(map(len, held.pictures.grids))
    assert size(small) - patches - grids < 20_000
    assert size(small) - grids < (whole - grids) / 3
    before = small.read_bytes()
    refused("bundle", "add", small, good, match=rf"^{small}: keeps too little .*`iad bundle patch_vit --extendable`$")
    refused("bundle", "merge", small, small, "--out", "b.iad", match=r"--extendable")
    assert small.read_bytes() == before
    large = Path("large.iad")
    iad("bundle", "patch_vit", "--extendable", "--out", large)
    kept = read_bundle(large)[0].calibration.kept["patches"]
    assert kept.shape[0] == 16
    assert size(large) - size(small) == pytest.approx(kept.nbytes, rel=0.05)
    assert "patches of these pictures, for add and merge" in iad("bundle", "show", large)
    assert "1 picture added, 17 now" in iad("bundle", "add", large, good)


@pytest.mark.parametrize("method", ["ae", "hybrid", *CLASSICAL])
def test_a_method_that_is_fitted_once_cannot_be_extended(project, method):
    refused("bundle", method, "--extendable", match=rf"^{method}: .*takes no more pictures once fitted; leave --ext")
    assert not paths.BUNDLES.exists()
    file = bundle_of(method)
    refused("bundle", "add", file, pictures_of("test")[0], match=rf"^{file}: {method} .*takes no more pictures")
    refused("bundle", "merge", file, file, "--out", "a.iad", match=rf"^{file}: {method} .*takes no more pictures")


# refusals of write


def test_methods_and_commands_that_do_not_exist_are_refused(project):
    refused("bundle", "patch_vti", match="unknown method 'patch_vti'; did you mean 'patch_vit'")
    refused("bundle", "hybird", match="did you mean 'hybrid'")
    assert "No such command 'shwo' (there is 'show')" in " ".join(iad("bundle", "shwo", "a.iad", code=2).split())
    assert "No such option" in iad("bundle", "vit", "--fast", code=2)
    assert all(word in iad("bundle") for word in ("METHOD", "show", "add", "merge"))


def test_results_of_other_parameters_are_refused(project):
    """Whoever ran the stages: by what the fitted method says of itself, and by what DVC wrote down."""
    for overlay, said in (
        (
            {"method": {"k": 3}},
            r"^params\.yaml: method\.k is 3, but the results of score@vit are of 2; run `dvc repro`$",
        ),
        ({"seed": 9}, r"^params\.yaml: seed is 9, but .*score@vit are of 0"),
        ({"method": {"k": 2}, "seed": 0, "threshold": {"alpha": 0.3}}, r"threshold\.json: is not the threshold of"),
        ({"threshold": {"alpha": 0.25, "strategy": "max"}}, r"threshold\.json: is not the threshold of"),
    ):
        set_params(paths.PARAMS, paths.PARAMS, overlay)
        refused("bundle", "vit", match=said)
    assert not paths.BUNDLES.exists()


def test_parameters_that_dvc_did_not_run_with_are_refused(project):
    def ran(stage, **params):
        paths.LOCK.write_text(json.dumps({"stages": {stage: {"params": {"params.yaml": params}}}}))

    ran("preprocess", **{"preprocess.image_size": 64})
    iad("bundle", "vit")
    for stage, key, here in (
        ("preprocess", "preprocess.image_size", 64), ("extract_vit", "vit.model", "test_vit"),
        ("score@vit", "method", None), ("threshold@vit", "threshold.alpha", 0.25),
    ):  # fmt: skip
        ran(stage, **{key: 32 if here is not None else {"k": 32}})
        name, found = (key, here) if here is not None else ("method.k", 2)
        refused(
            "bundle", "vit", "--force", match=rf"^params\.yaml: {name} is {found}, but the results of {stage} are of 32"
        )
    ran("extract_resnet", **{"resnet.model": "other"})
    iad("bundle", "vit", "--force")  # which does not look at it
    refused("bundle", "hybrid", match=r"resnet\.model is test_resnet, but the results of extract_resnet are of other")


def test_pictures_that_were_prepared_again_since_are_refused(project):
    """After `dvc repro preprocess` alone, a bundle would name other pictures than were fitted to."""

    def ran(hashed):
        stages = {
            "preprocess": {"outs": [{"path": "stages/preprocess", "md5": "1.dir"}]},
            "extract_vit": {
                "deps": [{"path": "stages/preprocess", "md5": hashed}, {"path": "iad/compute.py", "md5": "3"}],
                "outs": [{"path": "stages/extract_vit", "md5": "2.dir"}],
            },
            "score@vit": {"deps": [{"path": "stages/extract_vit", "md5": "2.dir"}]},
        }  # fmt: skip
        paths.LOCK.write_text(json.dumps({"stages": stages}))

    ran("0.dir")
    refused("bundle", "vit", match=r"^stages/preprocess: was written again after extract_vit had read it; run `dvc rep")
    assert not paths.BUNDLES.exists()
    ran("1.dir")
    iad("bundle", "vit")


def test_a_stage_that_ran_again_is_noticed(project):
    file = paths.EXTRACT_VIT / paths.BACKBONE_RECORD
    write_json(file, read_json(file) | {"weights_sha256": "0" * 64})
    for method in ("vit", "hybrid", "lof"):
        refused(
            "bundle", method, match=r"was fitted to other output of extract_vit than is there now \(weights_sha256\)"
        )
    iad("bundle", "resnet")


def test_stages_run_by_hand_over_other_pictures_are_noticed(project):
    manifest = read_manifest(paths.MANIFEST)
    manifest.loc[0, "sha256"] = "0" * 64
    write_manifest(paths.MANIFEST, manifest)
    refused("bundle", "vit", match=r"^stages/extract_vit: was made from other pictures than stages/preprocess/mani")
    refused("bundle", "ae", match=r"^stages/train_ae: was made from other pictures than .*; run `dvc repro`$")
    refused("score", "vit", match=r"^stages/extract_vit: was made from other pictures")


@pytest.mark.parametrize(
    "missing",
    [
        paths.SCORE / "vit" / paths.DETECTOR,
        paths.SCORE / "vit" / paths.CALIBRATION_SCORES,
        paths.SCORE / "vit" / paths.PROVENANCE,
        paths.THRESHOLD / "vit" / paths.THRESHOLD_FILE,
        paths.EXTRACT_VIT / paths.BACKBONE_RECORD,
        paths.MANIFEST,
    ],
)
def test_a_missing_result_is_refused_by_name(project, missing):
    missing.unlink()
    refused("bundle", "vit", match=rf"{missing.name}: (missing|no such file); run `dvc repro`")
    assert not paths.BUNDLES.exists()


# where it is written


def test_what_is_there_is_replaced_only_by_force(project):
    file = bundle_of("vit")
    Path("a.iad").write_text("mine")
    before = file.read_bytes()
    refused("bundle", "vit", match=r"^bundles/vit\.iad: exists already; choose another name, or say --force")
    refused("bundle", "add", file, PICTURES, "--out", "a.iad", match=r"a\.iad: exists already.*--force")
    other = bundle_of("resnet")
    refused("bundle", "merge", file, other, "--out", "a.iad", match=r"a\.iad: exists already.*--force")
    assert (file.read_bytes(), Path("a.iad").read_text()) == (before, "mine")


def test_an_input_is_never_replaced(project):
    file = bundle_of("vit")
    Path("link.iad").symlink_to(file)
    Path("hard.iad").hardlink_to(file)
    before = all_files()
    for out in (file, Path("link.iad"), Path("hard.iad"), Path("bundles/../bundles/vit.iad")):
        for force in ([], ["--force"]):
            refused("bundle", "merge", file, file, "--out", out, *force, match=r"is an input itself .*; name another")
    picture = Path("odd.iad")  # a picture by its content, whatever it is called
    picture.write_bytes(pictures_of("test")[0].read_bytes())
    for force in ([], ["--force"]):
        refused("bundle", "add", file, picture, "--out", picture, *force, match=r"is an input itself")
        refused("bundle", "add", file, PICTURES, "--out", PICTURES / "a.iad", *force, match="lies in an input")
        refused("bundle", "vit", "--out", "stages/score/a.iad", *force, match=r"lies in an input \(stages\)")
    assert {path: data for path, data in all_files().items() if path != picture} == before


def test_other_names_and_places_are_refused(project):
    refused("bundle", "vit", "--out", "a.safetensors", match=r"the name of a bundle ends in \.iad; name it a\.iad")
    Path("folder.iad").mkdir()
    refused("bundle", "vit", "--out", "folder.iad", match="a folder; name a file")
    refused("bundle", "vit", "--out", "params.yaml/a.iad", match="cannot be written")
    refused("bundle", "show", "nowhere.iad", match="no such file")
    refused("bundle", "merge", "a.iad", "--out", "b.iad", match="only one bundle; name two at least")


def test_a_file_that_cannot_be_finished_leaves_nothing(project, monkeypatch):
    file = bundle_of("vit")
    before = all_files()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    refused("bundle", "resnet", match="the disk is full")
    refused("bundle", "vit", "--force", match="the disk is full")
    refused("bundle", "add", file, pictures_of("test", "good")[0], match="the disk is full")
    left = {path for path in all_files() if path.suffix != ".lock"}
    assert left == set(before)
    assert file.read_bytes() == before[file]


# add and merge


@pytest.mark.parametrize("method", ["vit", "resnet", "patch_resnet", "patch_vit"])
def test_added_pictures_are_in_the_bundle_as_the_stages_embed_them(project, method):
    file, good = bundle_of(method), pictures_of("test", "good")[:3]
    said = iad("bundle", "add", file, *good, good[0])
    assert "3 pictures added, 19 now" in said
    assert "1 left out, which the bundle knows already" in said
    after = read_bundle(file)[0]
    stage, name = {
        "vit": (paths.EXTRACT_VIT, paths.FEATURES), "resnet": (paths.EXTRACT_RESNET, paths.FEATURES),
        "patch_vit": (paths.EXTRACT_VIT, paths.PATCHES), "patch_resnet": (paths.EXTRACT_RESNET, paths.PATCHES),
    }[method]  # fmt: skip
    ids = list(read_manifest(paths.MANIFEST)["image_id"])
    expected = np.load(stage / name)[[ids.index(path.relative_to(PICTURES / "test").as_posix()) for path in good]]
    part = after.packed[1]["pooled" if name == paths.FEATURES else "patches"]
    expected = expected.reshape(-1, expected.shape[-1])
    np.testing.assert_array_equal(part[-len(expected) :], expected)
    inspector = load(file)
    assert [one.known for one in inspector.predict(good)] == [True] * 3
    assert inspector.threshold == after.threshold.value
    assert len(after.calibration.scores) == 19


@pytest.mark.parametrize("method", ["vit", "patch_vit"])
def test_merging_is_adding(project, method):
    file, good = bundle_of(method), pictures_of("test", "good")
    iad("bundle", "add", file, *good[:2], "--out", "a.iad")
    iad("bundle", "add", file, *good[1:4], "--out", "b.iad")
    assert pictures_in(file) == 16
    said = iad("bundle", "merge", "a.iad", "b.iad", "--out", "both.iad")
    assert "2 bundles merged; 17 pictures in several of them, counted once" in said
    iad("bundle", "add", file, *good[:4], "--out", "at_once.iad")
    both, at_once = (read_bundle(Path(name))[0] for name in ("both.iad", "at_once.iad"))
    assert both.pictures == at_once.pictures
    assert both.threshold == at_once.threshold
    np.testing.assert_array_equal(both.calibration.scores, at_once.calibration.scores)
    for name, array in both.packed[1].items():
        np.testing.assert_array_equal(array, at_once.packed[1][name])


def test_a_picture_that_the_bundle_knows_changes_nothing(project):
    file = bundle_of("patch_vit")
    before = file.read_bytes()
    said = iad("bundle", "add", file, PICTURES / "train")
    assert "16 left out, which the bundle knows already" in said
    assert "nothing to add; the bundle holds 16 pictures as before" in said
    assert file.read_bytes() == before


def test_copies_in_other_formats_are_left_out_and_the_threshold_stays(project):
    file = bundle_of("patch_vit")
    before = file.read_bytes()
    Path("again").mkdir()
    for number, path in enumerate(pictures_of("train")):
        with Image.open(path) as picture:
            picture.save(f"again/{number:02}.bmp")
            picture.save(f"again/{number:02}.jpg", quality=95)
    said = iad("bundle", "add", file, "again")
    assert "16 left out, which the bundle knows already: again/00.bmp, again/01.bmp" in said
    assert "16 left out, nearly the same as one that it has or takes in: again/00.jpg, again/01.jpg" in said
    assert "nothing to add; the bundle holds 16 pictures as before" in said
    assert file.read_bytes() == before
    with Image.open(pictures_of("test", "good")[0]) as picture:
        picture.resize((20, 20)).save("again/new.png")
    said = iad("bundle", "add", file, "again", "--out", "more.iad")
    assert "1 picture added, 17 now" in said
    assert "the picture differs in size from those the bundle was made of (20 x 20 px, there 64 x 64 px)" in said
    iad("bundle", "add", file, "again/new.png", "--out", "only.iad")
    assert Path("more.iad").read_bytes() == Path("only.iad").read_bytes()
    assert "taken      20 x 20 px or 64 x 64 px; lossless; colour; 8 bits" in iad("bundle", "show", "more.iad")


def test_an_added_picture_that_the_bundle_would_have_rejected_is_pointed_out(project):
    file = bundle_of("vit")
    rejected = [one for one in load(file).predict(PICTURES / "test") if one.rejected]
    passed = [one for one in load(file).predict(PICTURES / "test") if not one.rejected]
    assert rejected
    assert passed
    said = iad("bundle", "add", file, rejected[0].path, passed[0].path, "--out", "a.iad")
    assert f"look at 1 that the bundle would have rejected, and now counts as good: {rejected[0].path}" in said
    assert "would have rejected" not in iad("bundle", "add", file, passed[0].path, "--out", "b.iad")


def test_add_refuses_what_cannot_be_read_and_the_bundle_stays_as_it_is(project):
    file = bundle_of("vit")
    before = file.read_bytes()
    Path("empty").mkdir()
    Path("torn.png").write_bytes(pictures_of("test")[0].read_bytes()[:200])
    refused("bundle", "add", file, "empty", match="empty: no picture in this folder")
    refused("bundle", "add", file, "nowhere", match="nowhere: no such file or folder")
    refused("bundle", "add", file, pictures_of("test")[1], "torn.png", match=r"^torn\.png: .*damaged")
    refused("bundle", "add", "nowhere.iad", PICTURES, match=r"nowhere\.iad: no such file")
    assert file.read_bytes() == before
    assert {path.name for path in file.parent.iterdir()} <= {file.name, f".{file.name}.lock"}


def test_bundles_of_other_methods_are_not_merged(project):
    one, two = bundle_of("patch_vit"), bundle_of("patch_resnet")
    refused("bundle", "merge", one, two, "--out", "a.iad", match=r"do not fit together: backbone\.name is test_vit in ")
    refused("bundle", "merge", one, bundle_of("vit"), "--out", "a.iad", match=r"do not fit together: detector is patch")
    assert not Path("a.iad").exists()


def test_two_commands_that_add_at_once_both_have_their_picture_in(project, monkeypatch):
    """The second waits for the first; before, it replaced the first one's file by one that lacked its picture."""
    file, good, together = bundle_of("vit"), pictures_of("test", "good"), threading.Barrier(2)

    def find_together(places):
        together.wait(60)
        return find(places)

    monkeypatch.setattr("iad.data.pictures.find", find_together)
    threads = [threading.Thread(target=add, args=(file, [picture])) for picture in good[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    known = {one.path: one.known for one in load(file).predict(good)}
    assert [known[path] for path in good] == [True, True] + [False] * (len(good) - 2)
    assert pictures_in(file) == 18


def test_a_bundle_in_a_folder_that_cannot_be_written_is_added_to_elsewhere(project, monkeypatch):
    file = bundle_of("vit")

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", denied)
    good = pictures_of("test", "good")[0]
    refused(
        "bundle", "add", file, good, match=r"cannot be changed here \(Permission denied\); name another file with --out"
    )
    assert "17 now" in iad("bundle", "add", file, good, "--out", "a.iad")


def test_show_needs_no_pytorch(project):
    file = bundle_of("patch_vit")
    code = f"import sys; sys.argv = ['iad', 'bundle', 'show', {str(file)!r}]\nfrom iad.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\nprint(sorted(set(sys.modules) & {'torch', 'timm', 'sklearn'}))"
    shown = subprocess.run([sys.executable, "-c", code], env=environment() | {"PYTHONPATH": str(ROOT)},
                           capture_output=True, text=True, check=True)  # fmt: skip
    assert shown.stdout.splitlines()[-1] == "[]"
