"""A bundle as a file: what is written is read again to the bit, and each part is checked."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import numpy as np
import pytest
from filelock import FileLock, Timeout
from pydantic import ValidationError

from iad.bundles.bundle import Bundle, CalibrationSet, locked, read_bundle, write_bundle
from iad.bundles.fitted import Fitted
from iad.bundles.parts import Rule
from iad.decision.thresholds import set_threshold
from iad.detectors.knn import Options
from iad.detectors.knn.detector import Detector
from iad.errors import IadError
from iad.report.overlay import red_scale
from tests.bundled import METHODS, WITH_MAPS, plain_set, reseal
from tests.helpers import ROOT

RNG = np.random.default_rng(0)
GOOD = RNG.normal(size=(6, 4)).astype(np.float32)
SCORES = np.array([1 / 3, 0.1 + 0.2, 7e-300, 1.0])
RULE = {"strategy": "percentile", "options": {"percentile": 75.0}}
RECORD = {
    "name": "net", "weights": "wheel", "weights_sha256": "0", "image_size": 8, "mean": [0.1, 0.2, 0.3],
    "std": [1, 1, 1], "depth": None, "quantize": "none", "pooling": "cls", "attribution": False, "dimensions": 4,
    "patches": {}, "stride": None, "precision": "fp32", "batch_size": 4, "runtime": {"device": "cpu", "threads": 2},
}  # fmt: skip
PICTURES = plain_set((f"ä/{number}.png" for number in range(6)), "012345")


def calibration(**changed):
    given = {
        "pictures": PICTURES.take(np.arange(4)), "rows": np.arange(4), "scores": SCORES, "scheme": "leave_one_out",
        "map_scheme": "jackknife", "kept": {"pooled": GOOD[:4]},
    }  # fmt: skip
    return CalibrationSet(**{**given, **changed})


def bundle(**changed):
    maps = RNG.normal(size=(4, 2, 2)).astype(np.float32)
    given = {
        "packed": Fitted("vit", "knn", "extract_vit", Detector(Options(k=2)).fit(GOOD)).pack(),
        "pictures": PICTURES, "calibration": calibration(),
        "threshold": set_threshold(SCORES, **RULE, scheme="leave_one_out"), "rule": RULE,
        "preprocess": {"image_size": 8, "white_16bit": 65535, "max_megapixels": 1.5},
        "embedders": {"extract_vit": RECORD},
        "weights": {"extract_vit": {"a.weight": GOOD.astype(np.float16), "a.count": np.array(3)}},
        "maps": {"sigma": 0.1, "rate": 0.2, **red_scale(maps, 8, 0.1, 0.2, "jackknife")},
        "origin": {"iad": "1", "versions": {"torch": "2"}, "revision": "0+", "source": "s", "category": "c",
                   "precision": None},
    }  # fmt: skip
    return Bundle(**{**given, **changed})


def check_same_arrays(one, two):
    assert one.keys() == two.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, two[name])
        assert (array.dtype, array.shape) == (two[name].dtype, two[name].shape)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"maps": None, "weights": {}, "calibration": calibration(kept={})},
        {"embedders": {"extract/wide": RECORD}, "weights": {"extract/wide": {"a.weight": GOOD}}},
    ],
)
def test_what_was_written_is_read_to_the_bit(tmp_path, changed):
    before = bundle(**changed)
    digest = write_bundle(tmp_path / "a.iad", before)
    after, found = read_bundle(tmp_path / "a.iad")
    assert found == digest
    for name in ("pictures", "threshold", "rule", "preprocess", "embedders", "maps", "origin", "method", "set_apart"):
        assert getattr(after, name) == getattr(before, name)
    assert after.packed[0] == before.packed[0]
    check_same_arrays(after.packed[1], before.packed[1])
    one, two = after.calibration, before.calibration
    assert (one.pictures, one.scheme, one.map_scheme) == (two.pictures, two.scheme, two.map_scheme)
    check_same_arrays({"rows": one.rows, "scores": one.scores, **one.kept}, {
        "rows": two.rows, "scores": two.scores, **two.kept,
    })  # fmt: skip
    assert after.weights.keys() == before.weights.keys()
    for reads, tensors in before.weights.items():
        check_same_arrays(after.weights[reads], tensors)
    np.testing.assert_array_equal(after.fitted().detector.predict(GOOD).pred_score,
                                  before.fitted().detector.predict(GOOD).pred_score)  # fmt: skip


def test_the_same_content_is_the_same_file_and_nothing_is_left_beside_it(tmp_path):
    (one, two, three) = (tmp_path / f"{name}.iad" for name in "abc")
    given = bundle()
    assert write_bundle(one, given) == write_bundle(two, given) == write_bundle(three, read_bundle(one)[0])
    assert one.read_bytes() == two.read_bytes() == three.read_bytes()
    assert sorted(tmp_path.iterdir()) == [one, two, three]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_a_project_has_a_bundle_that_is_read_again(bundle_at, method, tmp_path):
    found, digest = read_bundle(bundle_at(method))
    assert write_bundle(tmp_path / "a.iad", found) == digest
    assert (tmp_path / "a.iad").read_bytes() == bundle_at(method).read_bytes()
    assert found.method == method
    assert len(found.pictures) == 16
    assert (found.maps is not None) == (method in WITH_MAPS)


@pytest.mark.parametrize(
    ("found", "remedy"), [(1, "an older iad wrote it, so make one with `iad bundle METHOD`"), (7, "update iad")]
)
def test_a_bundle_of_another_format_is_refused_whatever_it_holds(bundle_at, tmp_path, found, remedy):
    def other(values, _):
        values.clear()
        values["format"] = found

    file = reseal(bundle_at("vit"), other, tmp_path / "a.iad")
    said = rf"^{file}: a bundle of format {found}, and this version reads formats 2 to 6; {remedy}$"
    with pytest.raises(IadError, match=said):
        read_bundle(file)


@pytest.mark.parametrize("method", ["patch_vit", "hybrid"])
def test_an_older_bundle_of_patches_counts_as_many_worst_ones_as_before(bundle_at, tmp_path, method):
    def parts(values):
        return [values["fitted"], *values["fitted"]["members"].values()]

    def older(values, _):
        values["format"] = 3
        for part in parts(values):
            part["options"].pop("top_share", None)

    found, _ = read_bundle(reseal(bundle_at(method), older, tmp_path / "a.iad"))
    shares = [
        part["options"]["top_share"] for part in parts({"fitted": found.packed[0]}) if part["detector"] == "patch"
    ]
    assert shares == [0.0] * (1 if method == "patch_vit" else 2)


def test_pictures_have_a_fingerprint_whatever_their_order_and_names():
    turned = plain_set("abcdef", PICTURES.sha256[::-1])
    assert turned.fingerprint() == PICTURES.fingerprint() != PICTURES.take(np.arange(5)).fingerprint()
    assert PICTURES.take(np.array([True] + [False] * 5)).sha256 == ("0",)


# what no method could have left


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pictures": plain_set((), ())}, "no calibration picture"),
        ({"rows": np.arange(3)}, "no numbers of 4 pictures"),
        ({"rows": np.arange(4.0)}, "no numbers of 4 pictures"),
        ({"rows": np.array([-2, 0, 1, 2])}, "no numbers of 4 pictures"),
        ({"rows": np.array([-1, 0, 1, 2])}, "no numbers of 4 pictures"),  # either all are set apart or none is
        ({"scores": SCORES[:3]}, "not 4 finite numbers"),
        ({"scores": SCORES.astype(np.float32)}, "not 4 finite numbers"),
        ({"scores": np.array([1, 2, 3, np.nan])}, "not 4 finite numbers"),
        ({"scores": np.array([1, 2, 3, np.inf])}, "not 4 finite numbers"),
        ({"kept": {"pooled": GOOD[:3]}}, "'pooled' kept of other calibration pictures"),
    ],
)
def test_a_calibration_that_does_not_fit_together_is_refused(changed, said):
    with pytest.raises(IadError, match=said):
        calibration(**changed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"calibration": calibration(rows=np.array([0, 1, 2, 6]))}, "a calibration picture with number 6, of 6"),
        (
            {"preprocess": {"image_size": 9, "white_16bit": 65535, "max_megapixels": 1}},
            "for pictures of 8 x 8 px, .* 9 x 9 px",
        ),
        ({"weights": {"extract_resnet": {}}}, "weights of 'extract_resnet', which is no backbone of it"),
        ({"rule": {"strategy": "max", "options": {"percentile": 1.0}}}, r"max takes \['alpha'\], not \['percentile'\]"),
        ({"rule": {"strategy": "maxx", "options": {}}}, "unknown threshold.strategy 'maxx'; did you mean 'max'"),
    ],
)
def test_a_bundle_that_does_not_fit_together_is_refused(changed, said):
    with pytest.raises(IadError, match=said):
        bundle(**changed)


def threshold(**changed):
    return asdict(set_threshold(SCORES, **RULE, scheme="leave_one_out")) | changed


@pytest.mark.parametrize(
    "changed",
    [
        {"preprocess": {"image_size": 0, "white_16bit": 65535, "max_megapixels": 1}},
        {"preprocess": {"image_size": 4097, "white_16bit": 65535, "max_megapixels": 1}},
        {"preprocess": {"image_size": 8, "white_16bit": 254, "max_megapixels": 1}},
        {"preprocess": {"image_size": 8, "white_16bit": 65535, "max_megapixels": 0}},
        {"preprocess": {"image_size": 8, "white_16bit": 65535, "max_megapixels": float("inf")}},
        {"preprocess": {"image_size": 8, "white_16bit": 65535, "max_megapixels": 1, "more": 1}},
        {"embedders": {"extract_vit": {"name": "net"}}},
        {"embedders": {"extract_vit": RECORD | {"std": [1, 1, 0]}}},
        {"embedders": {"extract_vit": RECORD | {"batch_size": 0}}},
        {"embedders": {"extract_vit": RECORD | {"precision": "int8"}}},
        {"embedders": {"extract_vit": RECORD | {"pruned": 0.5}}},
        {"origin": {"iad": "1"}},
        {"packed": ({"method": "vit"}, {})},
        {"maps": {"sigma": 0.1}},
        {"rule": {"strategy": "percentile", "options": {"percentile": float("nan")}}},
    ],
)
def test_values_that_are_out_of_range_or_unknown_are_refused(changed):
    with pytest.raises(ValidationError):
        bundle(**changed)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_threshold_that_is_no_number_is_refused(value):
    before = bundle()
    with pytest.raises(IadError, match="the threshold is not finite"):
        replace(before, threshold=replace(before.threshold, value=value))


def test_a_rule_has_what_its_strategy_takes():
    assert Rule("evt", {"alpha": 0.1, "tail_share": 0.2}).strategy == "evt"
    with pytest.raises(IadError, match="tail_share"):
        Rule("evt", {"alpha": 0.1})


# one change at a time


def test_the_second_of_two_changes_at_once_waits_for_the_first(tmp_path, capsys):
    file, order = tmp_path / "a.iad", []
    write_bundle(file, bundle())
    held = threading.Event()

    def first():
        with locked(file):
            held.set()
            time.sleep(0.3)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    held.wait(10)
    with locked(file):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]
    assert "another command is changing it; waiting" in capsys.readouterr().out


def test_a_lock_ends_with_an_error_and_needs_its_file(tmp_path):
    file = tmp_path / "a.iad"
    write_bundle(file, bundle())
    with pytest.raises(KeyError), locked(file):
        raise KeyError
    with locked(file):
        pass
    with (
        pytest.raises(IadError, match="nowhere: no such file; make one with `iad bundle METHOD`"),
        locked(tmp_path / "nowhere"),
    ):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"a.iad", ".a.iad.lock"}


def test_a_lock_holds_for_other_processes_and_ends_with_theirs(tmp_path):
    file = tmp_path / "a.iad"
    write_bundle(file, bundle())
    code = "import sys, time\nfrom pathlib import Path\nfrom iad.bundles.bundle import locked\n"
    code += "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(600)\n"
    other = subprocess.Popen([sys.executable, "-c", code, str(file)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(Timeout):
        FileLock(tmp_path / ".a.iad.lock", timeout=0).acquire()
    other.kill()
    other.communicate()
    with locked(file):
        pass


def test_a_link_and_its_file_have_one_lock(tmp_path):
    (tmp_path / "real").mkdir()
    write_bundle(tmp_path / "real/a.iad", bundle())
    (tmp_path / "link.iad").symlink_to(tmp_path / "real/a.iad")
    with locked(tmp_path / "link.iad"):
        pass
    assert sorted(path.name for path in tmp_path.rglob("*.lock")) == [".a.iad.lock"]


def test_the_header_is_plain_json_without_a_time(bundle_at):
    data = bundle_at("hybrid").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    values = json.loads(header["__metadata__"]["iad"])
    assert set(values) == {
        "format", "origin", "fitted", "pictures", "calibration", "threshold", "rule", "preprocess", "embedders",
        "maps", "sha256",
    }  # fmt: skip
    assert values["fitted"]["members"].keys() == {"patch_resnet", "patch_vit"}
