"""A bundle that inspects pictures. The oracle is the pipeline: its scores, its maps, its thresholds."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import iad
from iad import paths
from iad.bundles.bundle import read_bundle
from iad.detectors.maps import FullMaps
from iad.errors import IadError
from iad.io import read_json, read_table
from tests.bundled import METHODS, PICTURES, WITH_MAPS, pictures_of, reseal
from tests.process_state import process_state, unusual_settings

KINDS = ("ae", "vit", "patch_resnet", "hybrid", "lof")  # one of each kind of embedding, and a classical one


def check_same(one, two):
    """Verdicts of the same pictures, to the bit."""
    assert len(one) == len(two)
    for here, there in zip(one, two, strict=True):
        assert (here.pred_score, here.p_value, here.rejected) == (there.pred_score, there.p_value, there.rejected)
        assert (here.anomaly_map is None) == (there.anomaly_map is None)
        if here.anomaly_map is not None:
            np.testing.assert_array_equal(here.anomaly_map, there.anomaly_map)


def refused(match, function, *args, **options):
    with pytest.raises(IadError, match=match) as caught:
        function(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# what it says


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
@pytest.mark.parametrize("method", WITH_MAPS)
def test_a_card_says_the_same_within_a_thousandth(here, inspector_of, bundle_at, method, monkeypatch):
    expected = list(inspector_of(method).predict(PICTURES / "test"))
    monkeypatch.undo()  # of what hides the card
    monkeypatch.chdir(here)
    found = list(iad.load(bundle_at(method), device="cuda").predict(PICTURES / "test"))
    for one, other in zip(found, expected, strict=True):
        assert one.pred_score == pytest.approx(other.pred_score, rel=1e-3)
        # a card may compute convolutions in TF32, of 10 bits, where the host lets it
        off = np.abs(one.anomaly_map - other.anomaly_map).max()
        assert off <= 0.01 * np.abs(other.anomaly_map).max()


@pytest.mark.parametrize("method", METHODS)
def test_scores_verdicts_p_values_and_maps_are_those_of_the_pipeline(here, inspector_of, method):
    verdicts = list(inspector_of(method).predict(PICTURES / "test"))
    table = read_table(paths.SCORE / method / paths.TEST_SCORES)
    good = np.asarray(read_table(paths.SCORE / method / paths.CALIBRATION_SCORES)["score"])
    threshold = read_json(paths.THRESHOLD / method / paths.THRESHOLD_FILE)["value"]
    place = {image_id: row for row, image_id in enumerate(table["image_id"])}
    assert len(verdicts) == len(place) == 16
    for one in verdicts:
        score = table["score"][place[one.image_id]]
        assert one.pred_score == score
        assert one.p_value == (1 + sum(calibrating >= score for calibrating in good)) / (1 + len(good))
        assert one.rejected == (score >= threshold)
        assert one.path == PICTURES / "test" / one.image_id
        assert (one.known, one.error) == (False, "")
    if method not in WITH_MAPS:
        assert {one.anomaly_map for one in verdicts} == {None}
        return
    sigma = inspector_of(method).bundle.maps.sigma * 64
    full = FullMaps(np.load(paths.SCORE / method / paths.TEST_MAPS), 64, sigma)
    for one in verdicts:
        assert (one.anomaly_map.dtype, one.anomaly_map.shape) == (np.float32, (64, 64))
        np.testing.assert_array_equal(one.anomaly_map, full[place[one.image_id]])


def test_a_small_p_value_and_a_rejection_are_the_same_at_a_conformal_threshold(here, inspector_of):
    inspector = inspector_of("vit")
    assert inspector.bundle.rule.options == {"alpha": 0.25}
    verdicts = list(inspector.predict(PICTURES))
    assert len({one.rejected for one in verdicts}) == 2
    for one in verdicts:
        assert one.rejected == (one.p_value <= 0.25)


def test_it_says_what_it_is(here, inspector_of):
    inspector = inspector_of("patch_resnet")
    assert repr(inspector) == (
        f"<Predictor of patch_resnet: {inspector.bundle.preprocess.image_size}, rejects from "
        f"{inspector.threshold:.4g} on, {inspector.origin}>"
    )


def test_pictures_that_the_bundle_was_made_of_are_known(here, inspector_of):
    inspector = inspector_of("vit")
    assert {one.known for one in inspector.predict(PICTURES / "train")} == {True}
    assert {one.known for one in inspector.predict(PICTURES / "test")} == {False}


def test_a_picture_is_known_by_what_it_shows_too(here, inspector_of, tmp_path):
    file = pictures_of("train")[0]
    with Image.open(file) as picture:
        picture.save(tmp_path / "other.bmp")
        turned, exif = picture.rotate(90, expand=True), Image.Exif()
        exif[274] = 6  # to be turned clockwise
        turned.save(tmp_path / "turned.png", exif=exif)
        pixels = np.asarray(picture)
        Image.fromarray(pixels ^ 1).save(tmp_path / "new.png")
    inspector = inspector_of("vit")
    assert [one.known for one in inspector.predict([*sorted(tmp_path.iterdir()), pixels])] == [False, True, True, True]


def test_a_picture_unlike_those_of_the_bundle_is_warned_of_once(here, inspector_of, bundle_at, tmp_path, recwarn):
    with Image.open(pictures_of("test", "good")[0]) as picture:
        picture.resize((16, 16)).save(tmp_path / "small.png")
        picture.save(tmp_path / "weak.jpg", quality=30)
        picture.save(tmp_path / "same.bmp")
    inspector = iad.load(bundle_at("vit"))
    list(inspector.predict(PICTURES / "test"))
    list(inspector.predict(tmp_path / "same.bmp"))
    assert [str(one.message) for one in recwarn] == []
    for _ in range(2):
        verdicts = list(inspector.predict([tmp_path / "small.png", tmp_path / "weak.jpg"]))
    size, compression = (str(one.message) for one in recwarn)
    assert "small.png; its promise" in size
    assert "in size from those the bundle was made of (16 x 16 px, there 64 x 64 px)" in size
    assert "in compression from those the bundle was made of (JPEG of quality 30, there lossless)" in compression
    inspector.warn = lambda _: None
    again = list(inspector.predict([tmp_path / "small.png", tmp_path / "weak.jpg"]))
    check_same(verdicts, again)
    assert (verdicts[1].look.coding, verdicts[1].look.quality) == ("JPEG", 30)


# what changes nothing


@pytest.mark.parametrize("method", METHODS)
def test_order_batch_size_and_company_of_a_picture_change_nothing(here, inspector_of, method):
    inspector, files = inspector_of(method), pictures_of("test")[3:12]
    expected = list(inspector.predict(files))
    check_same(expected[::-1], list(inspector.predict(files[::-1])))
    for size in (1, 2, 5):
        check_same(expected, list(inspector.predict(files, batch_size=size)))
    check_same(expected[4:5], list(inspector.predict(files[4])))
    check_same(expected[2:4], list(inspector.predict([*files[2:4], *pictures_of("train")]))[:2])


@pytest.mark.parametrize("method", KINDS)
def test_pictures_in_any_form_get_the_same_verdict(here, inspector_of, method):
    inspector, files = inspector_of(method), pictures_of("test", "good")[:3]
    expected = list(inspector.predict(files))
    arrays = [np.asarray(Image.open(file)) for file in files]
    check_same(expected, list(inspector.predict(arrays)))
    check_same(expected, list(inspector.predict(np.stack(arrays))))
    check_same(expected, list(inspector.predict(Image.open(file) for file in files)))
    check_same(expected, list(inspector.predict([str(files[0]), arrays[1], Image.open(files[2])])))
    check_same(expected, list(inspector.predict(files[0].parent))[:3])


@pytest.mark.parametrize("method", KINDS)
def test_without_maps_everything_else_is_the_same(here, inspector_of, method):
    inspector, files = inspector_of(method), pictures_of("test")[:4]
    verdicts = list(inspector.predict(files, maps=False))
    assert {one.anomaly_map for one in verdicts} == {None}
    check_same([one.without_map() for one in inspector.predict(files)], verdicts)


# streams


def test_a_batch_is_waited_for_and_no_more_is_asked_for(here, inspector_of):
    asked = []

    def endless():
        while True:
            asked.append(len(asked))
            yield pictures_of("test")[len(asked) % 3]

    inspector = inspector_of("resnet")
    verdicts = inspector.predict(endless(), batch_size=1)
    assert asked == []
    for number in range(3):
        next(verdicts)
        assert len(asked) == number + 1
    asked.clear()
    next(inspector.predict(endless(), batch_size=4))
    assert len(asked) == 4
    asked.clear()
    next(inspector.predict(endless()))
    assert len(asked) == inspector.batch_size == 8  # that of the pipeline


def test_nothing_gives_nothing(inspector_of):
    assert list(inspector_of("ae").predict([])) == []


def test_what_cannot_be_read_is_raised_or_a_verdict_that_says_why(here, inspector_of, tmp_path):
    torn, good = tmp_path / "torn.png", pictures_of("test")[0]
    torn.write_bytes(good.read_bytes()[:200])
    inspector = inspector_of("vit")
    refused(rf"^{torn}: .*damaged", list, inspector.predict([good, torn]))
    first, second, third, fourth = inspector.predict([torn, good, tmp_path / "nowhere", good], errors="return")
    check_same([second, fourth], list(inspector.predict([good, good])))
    for one in (first, third):
        assert np.isnan([one.pred_score, one.p_value]).all()
        assert (one.rejected, one.anomaly_map) == (None, None)
        assert "\n" not in one.error
    assert (first.path, third.path) == (torn, None)
    assert first.error.startswith(f"{torn}: ")
    assert third.error.startswith(f"{third.name}: no such file or folder")
    assert [one.error != "" for one in inspector.predict([torn, torn], errors="return")] == [True, True]


def test_other_ways_of_asking_are_refused_before_the_first_picture(inspector_of):
    inspector = inspector_of("ae")
    refused("^errors = 'ignore': use one of raise, return$", inspector.predict, [], errors="ignore")
    refused("^batch_size = 0: at least one", inspector.predict, [], batch_size=0)


def test_a_score_that_is_no_number_passes_no_picture(here, bundle_at, monkeypatch):
    inspector, file = iad.load(bundle_at("resnet")), pictures_of("test")[0]
    real = inspector.fitted.detector.predict

    def broken(embeddings):
        found = real(embeddings)
        found.pred_score[:] = np.nan
        return found

    monkeypatch.setattr(inspector.fitted.detector, "predict", broken)
    refused(rf"^{file}: .* a score that is no number", list, inspector.predict(file))
    (one,) = inspector.predict(file, errors="return")
    assert (one.rejected, one.error != "") == (None, True)


# threads and the process


def test_threads_share_a_predictor_and_the_process_stays_as_it_is(here, bundle_at):
    files = pictures_of("test")
    expected = {method: list(iad.load(bundle_at(method)).predict(files)) for method in KINDS}
    found, together = {}, threading.Barrier(2 * len(KINDS))

    def work(inspector, method, number):
        together.wait(60)
        found[method, number] = [list(inspector.predict(files, batch_size=3)) for _ in range(2)]

    with unusual_settings():
        torch.manual_seed(5)
        before = process_state()
        inspectors = {method: iad.load(bundle_at(method)) for method in KINDS}
        threads = [
            threading.Thread(target=work, args=(inspector, method, number))
            for method, inspector in inspectors.items()
            for number in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert process_state() == before
    assert len(found) == len(threads)
    for (method, _), rounds in found.items():
        for verdicts in rounds:
            check_same(expected[method], verdicts)


# weights


def moved(values, _):
    for record in values["embedders"].values():
        record["weights"] = "file:nowhere.safetensors"


@pytest.mark.parametrize("method", ["vit", "patch_resnet", "hybrid"])
def test_with_weights_inside_the_file_of_the_weights_may_be_gone(here, bundle_at, inspector_of, tmp_path, method):
    files = pictures_of("test")[:3]
    inside = reseal(bundle_at(method, "--with-weights"), moved, tmp_path / "inside.iad")
    check_same(list(inspector_of(method).predict(files)), list(iad.load(inside).predict(files)))
    outside = reseal(bundle_at(method), moved, tmp_path / "outside.iad")
    said = refused(rf"^{outside}: .*nowhere\.safetensors", iad.load, outside)
    assert "missing" in said


def test_a_predictor_saves_itself_with_weights_or_without(here, inspector_of, bundle_at, tmp_path):
    inspector, files = inspector_of("patch_vit"), pictures_of("test")[:3]
    inspector.save(tmp_path / "a.iad")
    assert (tmp_path / "a.iad").read_bytes() == bundle_at("patch_vit").read_bytes()
    inspector.save(str(tmp_path / "b.iad"), with_weights=True)
    assert (tmp_path / "b.iad").read_bytes() == bundle_at("patch_vit", "--with-weights").read_bytes()
    check_same(list(inspector.predict(files)), list(iad.load(tmp_path / "b.iad").predict(files)))


def test_a_predictor_saves_itself_under_a_bundles_name_and_replaces_nothing_unasked(here, inspector_of, tmp_path):
    inspector, file = inspector_of("resnet"), tmp_path / "a.iad"
    file.write_text("somebody's")
    refused(r"a\.iad: exists already; .* say force=True to replace it", inspector.save, file)
    assert file.read_text() == "somebody's"
    inspector.save(file, force=True)
    assert iad.load(file).threshold == inspector.threshold
    refused(r"b\.pt: the name of a bundle ends in \.iad; name it .*b\.iad", inspector.save, tmp_path / "b.pt")
    inspector.save(tmp_path / "new" / "folder" / "c.iad")
    assert sorted(one.name for one in tmp_path.rglob("*.*")) == ["a.iad", "c.iad"]


def test_weights_elsewhere_are_taken_and_others_refused(here, bundle_at, inspector_of, tiny_weights, tmp_path):
    from safetensors.torch import load_file, save_file

    copy, others = tmp_path / "copy.safetensors", tmp_path / "others.safetensors"
    copy.write_bytes(tiny_weights["test_vit"].read_bytes())
    state = load_file(copy)
    save_file(state | {"cls_token": state["cls_token"] + 1}, others)
    outside = reseal(bundle_at("vit"), moved, tmp_path / "outside.iad")
    files = pictures_of("test")[:2]
    found = iad.load(outside, weights=f"file:{copy}").predict(files)
    check_same(list(inspector_of("vit").predict(files)), list(found))
    for bundle in (outside, bundle_at("vit", "--with-weights")):  # what is named counts, also where some are inside
        said = refused(rf"^{bundle}: .*other weights", iad.load, bundle, weights=f"file:{others}")
        assert "test_vit" in said


def test_weights_inside_that_were_exchanged_are_refused(bundle_at, tmp_path):
    def exchange(_, arrays):
        arrays["weights/extract_vit/cls_token"] = arrays["weights/extract_vit/cls_token"] + 1

    changed = reseal(bundle_at("vit", "--with-weights"), exchange, tmp_path / "a.iad")
    refused(rf"^{changed}: .*other weights", iad.load, changed)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weights": "there"}, "give wheel, hub or file:PATH"),
        ({"weights": "file:none"}, "none"),
        ({"device": "gpu"}, "gpu: not on this machine"),
    ],
)
def test_weights_and_devices_that_are_not_there_are_refused(bundle_at, options, said):
    refused(said, iad.load, bundle_at("vit"), **options)


def test_weights_for_a_method_without_a_backbone_are_refused(bundle_at):
    refused("has no backbone, so it needs none", iad.load, bundle_at("ae"), weights="wheel")


# files that were altered, and files that somebody put together


@pytest.mark.parametrize("share", [0, 0.0001, 0.5, 0.9999])
def test_a_bundle_cut_short_is_refused(bundle_at, tmp_path, share):
    data, cut = bundle_at("patch_vit").read_bytes(), tmp_path / "a.iad"
    cut.write_bytes(data[: int(share * len(data))])
    refused(rf"^{cut}: .*(cut short|no bundle)", iad.load, cut)


def test_an_altered_byte_anywhere_is_refused(bundle_at, tmp_path):
    data, altered = bundle_at("hybrid").read_bytes(), tmp_path / "a.iad"
    end = 8 + int.from_bytes(data[:8], "little")
    for place in [*np.random.default_rng(0).integers(len(data), size=30).tolist(), 0, 9, end - 200, end, len(data) - 1]:
        changed = bytearray(data)
        changed[place] ^= 1
        altered.write_bytes(changed)
        refused(rf"^{altered}: .*(altered|no bundle|cut short)", iad.load, altered)


def arrays_changed(name, change):
    def apply(_, arrays):
        arrays[name] = change(arrays[name])

    return apply


def set_value(value, *keys):
    def apply(values, _):
        for key in keys[:-1]:
            values = values[key]
        values[keys[-1]] = value

    return apply


def without(name):
    return lambda _, arrays: arrays.pop(name)


HOSTILE = {
    "patch_vit": {
        "fewer features": arrays_changed("detector/patches", lambda one: one[:, :-1]),
        "fewer patches": arrays_changed("detector/patches", lambda one: one[:-1]),
        "patches that are no numbers": arrays_changed("detector/patches", lambda one: np.where(one > 0, np.nan, one)),
        "patches of another type": arrays_changed("detector/patches", lambda one: one.astype(np.int8)),
        "patches before the first": arrays_changed("detector/rows", lambda one: one - 5),
        "patches behind the last": arrays_changed("detector/rows", lambda one: one + 10**6),
        "patches twice": arrays_changed("detector/rows", np.zeros_like),
        "numbers of another type": arrays_changed("detector/rows", lambda one: one.astype(np.float64)),
        "no patches": without("detector/patches"),
        "endless scores": arrays_changed("calibration/scores", lambda one: np.full_like(one, np.inf)),
        "fewer scores": arrays_changed("calibration/scores", lambda one: one[:-1]),
        "no scores": without("calibration/scores"),
        "calibrating pictures behind the last": arrays_changed("calibration/rows", lambda one: one + 10**6),
        "calibrating pictures before the first": arrays_changed("calibration/rows", lambda one: -one - 2),
        "another stage": set_value("patch", "fitted", "reads"),
        "more neighbours than patches": set_value(10**9, "fitted", "options", "k"),
        "another detector": set_value("../../x", "fitted", "detector"),
        "pictures without a side": set_value(-1, "preprocess", "image_size"),
        "pictures without an end": set_value(10**9, "preprocess", "image_size"),
        "pictures of another side": set_value(32, "preprocess", "image_size"),
        "text for a mapping": set_value("64", "preprocess"),
        "no threshold": set_value(None, "threshold"),
        "text for a number": set_value("high", "threshold", "value"),
        "another strategy": set_value("os.system", "rule", "strategy"),
        "another strategy's options": set_value({"percentile": 5.0}, "rule", "options"),
        "pictures without a hash": set_value([["a.png"]], "pictures"),
        "no pictures": set_value([], "pictures"),
        "no backbone": set_value({}, "embedders"),
        "another backbone": set_value("test_vit2", "embedders", "extract_vit", "name"),
        "layers that are not there": set_value([99], "embedders", "extract_vit", "patches", "layers"),
        "weights from elsewhere": set_value("sudo", "embedders", "extract_vit", "weights"),
        "another format": set_value(99, "format"),
        "more than there is": set_value(1, "further"),
    },
    "vit": {
        "fewer features": arrays_changed("detector/pooled", lambda one: one[:, :-1]),
        "one picture": arrays_changed("detector/pooled", lambda one: one[:1]),
        "another detector": set_value("autoencoder", "fitted", "detector"),
        "another stage": set_value("train_ae", "fitted", "reads"),
    },
    "ae": {
        "another side": set_value(48, "preprocess", "image_size"),
        "another precision": set_value("int8", "origin", "precision"),
    },
    "hybrid": {
        "no members": set_value({}, "fitted", "members"),
        "other members": set_value(["patch_resnet", "other"], "fitted", "options", "members"),
        "a member's options": set_value({"k": 0}, "fitted", "members", "patch_vit", "options"),
    },
}


@pytest.mark.parametrize(
    ("method", "name"), [(method, name) for method, changes in HOSTILE.items() for name in changes]
)
def test_what_somebody_put_together_is_refused_although_its_hash_is_right(bundle_at, tmp_path, method, name):
    changed = reseal(bundle_at(method), HOSTILE[method][name], tmp_path / "a.iad")
    refused(rf"^{changed}: ", iad.load, changed)


def test_no_name_in_a_bundle_is_a_path_that_is_read_or_written(here, bundle_at, tmp_path, monkeypatch):
    file = pictures_of("test")[0].absolute()
    monkeypatch.chdir(tmp_path)

    def change(values, _):
        values["pictures"] = [["../../outside.png", *others] for _, *others in values["pictures"]]
        values["fitted"]["method"] = "outside"

    changed = reseal(bundle_at("resnet"), change, tmp_path / "a.iad")
    assert [one.rejected for one in iad.load(changed).predict(file)] == [False]
    assert list(tmp_path.iterdir()) == [changed]


def test_what_is_no_bundle_is_refused(here, tmp_path):
    refused("no such file", iad.load, tmp_path / "nowhere.iad")
    refused("no bundle", iad.load, paths.PARAMS)
    refused("a fitted detector of a stage, but no bundle", iad.load, paths.SCORE / "vit" / paths.DETECTOR)
    refused("a folder", iad.load, Path())


def test_the_bundle_is_there_to_be_looked_at(bundle_at):
    inspector = iad.load(str(bundle_at("vit")))
    assert (inspector.method, inspector.threshold) == ("vit", read_bundle(bundle_at("vit"))[0].threshold.value)
    assert inspector.bundle.origin.category == "carpet"
