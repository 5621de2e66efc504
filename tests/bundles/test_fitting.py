"""A method fitted without the pipeline. The oracle is the pipeline, with the same parameters and pictures."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image

import iad
from iad import paths
from iad.bundles.bundle import read_bundle
from iad.config import load_params
from iad.detectors import HYBRID, section_of
from iad.errors import IadError
from iad.fitting import METHODS as FITTED_METHODS
from iad.io import read_json, read_table
from iad.pipeline.bundling import collect
from tests.bundled import METHODS, PICTURES, pictures_of
from tests.bundled import iad as bundled
from tests.process_state import process_state, unusual_settings

SIZES = {"image_size": 64, "batch_size": 8, "precision": "fp32", "device": "cpu"}
MOST = SIZES | {"threshold": {"alpha": 0.25}}


@pytest.fixture
def chosen(here):
    """The options of `iad.fit` that are the parameters of the project."""
    params = load_params()
    backbones = {name: getattr(params, name).model_dump(mode="json") for name in ("resnet", "vit")}

    def of(method):
        kind, reads = FITTED_METHODS.get(method, (method, "vit"))
        section = section_of(kind) if kind != HYBRID else "hybrids.hybrid"
        given = SIZES | {"options": params.options(section).model_dump(), "threshold": {"alpha": 0.25}}
        if kind == "autoencoder":
            return given | {"training": params.ae.model_dump()}
        return given | {"backbone": backbones if kind == HYBRID else backbones[reads]}

    return of


@pytest.fixture
def tiny_vit(tiny_weights):
    return {"model": "test_vit", "weights": f"file:{tiny_weights['test_vit']}", "patches": {"layers": [2, 4]}}


def refused(match, *args, **options):
    with pytest.raises(IadError, match=match) as caught:
        iad.fit(*args, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("given", "said"), [
    ({"backbone": "nope"}, r"^backbone = 'nope': give a mapping from names of options"),
    ({"options": "k"}, r"^options = 'k': give a mapping"),
    ({"threshold": "max"}, r"^threshold = 'max': give a mapping"),
    ({"method": "ae", "training": 5}, r"^training = 5: give a mapping"),
    ({"method": "hybrid", "backbone": {"vit": 5}}, r"^backbone vit = 5: give a mapping"),
    ({"image_size": "big"}, r"^iad.fit: image_size = 'big': give the short side in pixels, or height and width"),
    ({"image_size": (1, 2, 3)}, r"^iad.fit: image_size = \(1, 2, 3\): give the short side"),
    ({"seed": "x"}, r"^iad.fit: seed = 'x': input should be a valid integer"),
    ({"method": 5}, r"^unknown method '5'"),
    ({"threshold": {"zeal": 1}}, r"unknown parameter 'zeal'; known here: strategy, alpha, tail_share, percentile$"),
    ({"method": "zscore", "options": {"zeal": 1}}, r"^options of zscore: unknown .* 'zeal'; known here: (?!seed)"),
    ({"method": "resnet", "options": {"pca": 1.5}}, r"^options of knn: pca = 1.5: should be a share below 1"),
])  # fmt: skip
def test_what_iad_fit_cannot_take_is_refused_with_what_it_can(given, said):
    pictures = np.random.default_rng(0).integers(0, 255, (4, 28, 28, 3)).astype(np.uint8)
    refused(said, pictures, **({"image_size": 28, "device": "cpu"} | given))


def test_a_picture_that_sets_the_threshold_alone_is_warned_of_by_its_name(tmp_path):
    pictures = np.random.default_rng(0).integers(100, 130, (30, 28, 28, 3)).astype(np.uint8)
    pictures[21] = np.random.default_rng(1).integers(0, 255, (28, 28, 3))  # one of the six that calibrate
    common = {"image_size": 28, "device": "cpu", "training": {"epochs": 1, "width": 4, "latent_channels": 4}}
    with pytest.warns(UserWarning, match=r"^ae: the threshold \S+ is the score of one of 6 good pictures, ") as told:
        inspector = iad.fit(pictures, "ae", threshold={"alpha": 0.2}, **common)
    worst = inspector.bundle.calibration.pictures.ids[int(np.argmax(inspector.bundle.calibration.scores))]
    assert f"good pictures, {worst} (the next has" in str(told[0].message)
    inspector.save(tmp_path / "a.iad")
    assert f"good pictures, {worst} (the next" in bundled("bundle", "show", tmp_path / "a.iad")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        iad.fit(pictures, "ae", threshold={"alpha": 0.4}, **common)  # the second highest sets it


@pytest.mark.parametrize("method", METHODS)
def test_scores_and_thresholds_are_those_of_the_pipeline(chosen, method):
    inspector = iad.fit(PICTURES / "train", method, **chosen(method))
    table = read_table(paths.SCORE / method / paths.TEST_SCORES)
    expected = dict(zip(table["image_id"], table["score"], strict=True))
    assert {one.image_id: one.pred_score for one in inspector.predict(PICTURES / "test")} == expected
    written = read_json(paths.THRESHOLD / method / paths.THRESHOLD_FILE)
    assert (inspector.threshold, inspector.bundle.threshold.guarantee) == (written["value"], written["guarantee"])
    assert inspector.bundle.pictures.fingerprint() == collect(load_params(), method).pictures.fingerprint()


def test_arrays_are_as_good_as_their_files(chosen):
    files = pictures_of("train")
    arrays = [np.asarray(Image.open(file)) for file in files]
    one, two = (iad.fit(given, "patch_vit", **chosen("patch_vit")) for given in (files, arrays))
    assert one.threshold == two.threshold
    scores = [[verdict.pred_score for verdict in it.predict(PICTURES / "test")] for it in (one, two)]
    assert scores[0] == scores[1]
    assert two.bundle.pictures.ids[:2] == ("0", "1")
    assert len(set(two.bundle.pictures.sha256)) == len(files)


def test_what_is_fitted_is_saved_and_loaded_and_can_be_extended(chosen, tmp_path):
    inspector, file = iad.fit(PICTURES / "train", "vit", **chosen("vit")), tmp_path / "a.iad"
    digest = inspector.save(file)
    assert read_bundle(file)[1] == digest
    again = iad.load(file)
    for one, two in zip(*(it.predict(PICTURES / "test") for it in (inspector, again)), strict=True):
        assert (one.pred_score, one.p_value, one.rejected) == (two.pred_score, two.p_value, two.rejected)
        np.testing.assert_array_equal(one.anomaly_map, two.anomaly_map)
    assert again.bundle.origin.source == "iad.fit"


def test_pictures_set_apart_set_the_threshold_and_are_not_fitted_to(here, tmp_path, tiny_vit):
    files, good = pictures_of("train"), pictures_of("test", "good")
    inspector = iad.fit(files, "vit", calibration=good, backbone=tiny_vit, **MOST)
    bundle = inspector.bundle
    assert (bundle.threshold.scheme, bundle.threshold.n_calibration, bundle.set_apart) == ("split", len(good), True)
    assert len(bundle.pictures) == len(files)
    scores = [one.pred_score for one in inspector.predict(good)]
    np.testing.assert_array_equal(bundle.calibration.scores, scores)
    # of a folder, the parts that it has
    for name, part in (("train/good", files), ("calibration/good", good), ("test/bad", files[:1])):
        (tmp_path / name).mkdir(parents=True)
        for number, file in enumerate(part):
            (tmp_path / name / f"{number:02}.png").write_bytes(file.read_bytes())
    of_folder = iad.fit(str(tmp_path), "vit", backbone=tiny_vit, **MOST)
    assert of_folder.threshold == inspector.threshold
    assert of_folder.bundle.pictures.sha256 == bundle.pictures.sha256
    assert of_folder.bundle.calibration.pictures.sha256 == bundle.calibration.pictures.sha256
    assert of_folder.bundle.set_apart
    assert all(verdict.known for verdict in of_folder.predict(tmp_path / "calibration"))


def test_the_process_stays_as_it_is(here, tiny_vit):
    files = pictures_of("train")
    expected = iad.fit(files, "patch_vit", backbone=tiny_vit, **MOST).threshold
    training = {"width": 4, "latent_channels": 4, "epochs": 1}
    with unusual_settings():
        torch.manual_seed(5)
        before = process_state()
        assert iad.fit(files, "patch_vit", backbone=tiny_vit, **MOST).threshold == expected
        iad.fit(files, "ae", training=training, **MOST)
        assert process_state() == before


def test_methods_and_options_that_do_not_exist_are_refused(here, tiny_vit):
    files = pictures_of("train")
    refused("^unknown method 'patch_vti'; did you mean 'patch_vit'", files, "patch_vti")
    refused(r"^options of patch: .*'topp'", files, "patch_vit", options={"topp": 1})
    refused(r"^options of patch: .*k", files, "patch_vit", options={"k": 0})
    refused(r"^backbone vit: .*'modell'", files, "vit", backbone={"modell": "x"})
    refused("unknown timm model 'no_such_model'", files, "vit", backbone={"model": "no_such_model", "weights": "hub"})
    refused(r"^threshold: .*'alfa'", files, "vit", threshold={"alfa": 0.1})
    refused("^training: .*epochs", files, "ae", training={"epochs": -1})
    refused("^training: vit has no network to train; leave it out", files, "vit", training={})
    refused("^backbone: ae looks at no backbone, and not at 'model'; leave it out", files, "ae", backbone=tiny_vit)
    refused("^backbone: hybrid looks at resnet and vit, and not at 'model'; give options", files, "hybrid",
            backbone=tiny_vit)  # fmt: skip
    refused("unknown method 'x'", files, "hybrid", options={"members": ["vit", "x"]})
    refused("^options of hybrid: members", files, "hybrid", options={"members": 3})
    refused("^options of hybrid: a hybrid is no member", files, "hybrid", options={"members": ["vit", "hybrid"]})
    refused("unknown precision 'int8'.* Known: auto, bf16, fp32", files, "ae", precision="int8")
    refused("gpu: not on this machine", files, "ae", device="gpu")


@pytest.mark.parametrize("image_size", [0, -1, 10**6, 1.5])
def test_sizes_that_no_picture_can_have_are_refused(here, image_size):
    refused(r"^iad\.fit: image_size", pictures_of("train"), "ae", image_size=image_size)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batches_of_no_picture_are_refused(here, tiny_vit, batch_size):
    refused(
        r"^iad\.fit: batch_size", pictures_of("train"), "vit", backbone=tiny_vit, image_size=64, batch_size=batch_size
    )


def test_pictures_that_are_not_there_or_no_pictures_are_refused(here, tmp_path, tiny_vit):
    (tmp_path / "torn.png").write_bytes(b"torn")
    refused(rf"^{tmp_path}/nowhere: no such file or folder", tmp_path / "nowhere", "vit", backbone=tiny_vit)
    refused(rf"^{tmp_path}/torn\.png: ", tmp_path, "vit", backbone=tiny_vit)
    refused("^picture 0: an array of float64", [np.zeros((9, 9))], "vit", backbone=tiny_vit)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("number", [0, 1])
def test_too_few_pictures_are_refused(chosen, method, number):
    refused("good (training )?picture|pictures calibrate|calibration picture", pictures_of("train")[:number], method,
            **chosen(method))  # fmt: skip


def test_a_copy_among_the_good_pictures_is_warned_of_and_one_set_apart_is_refused(here, tmp_path, tiny_vit, recwarn):
    files = pictures_of("train")
    with Image.open(files[3]) as picture:
        picture.save(tmp_path / "copy.bmp")
        picture.save(tmp_path / "near.jpg", quality=95)
    given = {"backbone": tiny_vit, **MOST}
    refused(rf"^calibration: copy\.bmp is {files[3].name} of the pictures fitted to; leave it out", files, "vit",
            calibration=tmp_path / "copy.bmp", **given)  # fmt: skip
    assert not recwarn.list
    iad.fit([*files, tmp_path], "vit", **given)
    assert "2 good pictures are copies of others, or nearly so (copy.bmp, near.jpg): their" in str(
        recwarn.pop().message
    )
    iad.fit(files, "vit", calibration=[*pictures_of("test", "good"), tmp_path / "near.jpg"], **given)
    assert "1 good picture is a copy of others, or nearly so (near.jpg)" in str(recwarn.pop().message)
    iad.fit(files, "vit", **given)
    assert not recwarn.list


def test_a_refusal_sends_nobody_to_a_pipeline_that_is_not_there(here, tiny_vit, monkeypatch):
    monkeypatch.setattr(
        "iad.features.embedder.Embedder.embed", lambda _, images, **__: {"pooled": np.full((len(images), 4), np.nan)}
    )
    refused(
        r'is not finite; check the weights of the network, or give precision="fp32"$',
        pictures_of("train"), "vit", backbone=tiny_vit, **SIZES,
    )  # fmt: skip


def test_a_picture_both_fitted_to_and_set_apart_is_refused(here, tmp_path, tiny_vit):
    files = pictures_of("train")
    (tmp_path / "copy.png").write_bytes(files[3].read_bytes())
    refused(rf"^calibration: copy\.png is {files[3].name} of the pictures fitted to; leave it out", files, "vit",
            calibration=tmp_path, backbone=tiny_vit, **SIZES)  # fmt: skip


def test_a_folder_of_defective_pictures_is_refused_by_its_name(tmp_path):
    (tmp_path / "broken").mkdir()
    with pytest.raises(IadError, match="broken: reads as defective pictures; give a folder of good ones"):
        iad.fit(tmp_path / "broken")


def test_a_folder_with_defective_pictures_beside_others_is_refused(tmp_path):
    for name in ("Good", "NG"):
        (tmp_path / name).mkdir()
    with pytest.raises(IadError, match="'NG' reads as defective pictures, which would be learnt from"):
        iad.fit(tmp_path)
