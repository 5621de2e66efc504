"""Each fault is planted in a clean generated folder; the checks must find exactly that one, with its pictures."""

import io
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from iad.datacheck import pictures
from iad.datacheck.confounds import auroc
from iad.datacheck.copies import copy_groups, near_copies, perceptual_hashes
from iad.datacheck.counts import check_counts, check_promise, half_width, least_false_alarm_rate
from iad.io import read_json
from iad.metrics import image as metrics
from tests.concurrency import started_workers
from tests.datacheck.planted import clean_folder, encoded, findings_of, texture

CLEAN = clean_folder()


def decoded(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def brighter(name, by):
    return encoded(np.clip(decoded(CLEAN[name]).astype(int) + by, 0, 255).astype(np.uint8))


def odd(width, height):
    return encoded(np.asarray(Image.fromarray(texture(300)).resize((width, height))))


def test_a_clean_folder_gives_no_finding(tmp_path):
    assert findings_of(CLEAN, tmp_path) == {}


FIRST = "train/good/03.png"
PLANTED = {
    "a copy in the test set": ({"test/good/x.png": CLEAN[FIRST]}, "exact_across", [(FIRST, "test/good/x.png")]),
    "a copy in training": ({"train/good/x.png": CLEAN[FIRST]}, "exact_inside", [(FIRST, "train/good/x.png")]),
    "a JPEG copy in the test set": (
        {"test/good/x.jpg": encoded(decoded(CLEAN[FIRST]), ".jpg", quality=75)},
        "near_across",
        [(FIRST, "test/good/x.jpg")],
    ),
    "a brighter copy in the test set": (
        {"test/good/x.png": brighter(FIRST, 20)}, "near_across", [(FIRST, "test/good/x.png")],
    ),
    "a darker copy in training": (
        {"train/good/x.png": brighter(FIRST, -20)}, "near_inside", [(FIRST, "train/good/x.png")],
    ),
    "a blank picture": ({"train/good/x.png": encoded(np.full((128, 128), 9, np.uint8))}, "blank", ["train/good/x.png"]),
    "an overexposed picture": (
        {"test/spot/x.png": encoded(np.clip(texture(300) * 2.2, 0, 255).astype(np.uint8))},
        "saturated",
        ["test/spot/x.png"],
    ),
    "an odd size": ({"train/good/x.png": odd(128, 96)}, "odd_size", ["train/good/x.png"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_with_its_pictures_and_nothing_else(fault, tmp_path):
    files, check, pictures = PLANTED[fault]
    found = findings_of(CLEAN | files, tmp_path, allow_shared=True)
    assert list(found) == [check]
    assert list(found[check].pictures) == pictures
    assert "\n" not in found[check].line()


def test_two_blank_pictures_are_blank_and_no_copies(tmp_path):
    blank = {f"train/good/x{level}.png": encoded(np.full((128, 128), level, np.uint8)) for level in (0, 200)}
    assert list(findings_of(CLEAN | blank, tmp_path)) == ["blank"]


def test_a_copy_with_two_labels_is_called_a_contradiction(tmp_path):
    found = findings_of(CLEAN | {"test/spot/x.png": CLEAN["test/good/05.png"]}, tmp_path, allow_shared=True)
    assert list(found) == ["exact_inside", "contradicting_labels"]
    assert list(found["contradicting_labels"].pictures) == [("test/good/05.png", "test/spot/x.png")]


def test_defective_pictures_under_brighter_light_are_a_confound(tmp_path):
    files = {name: brighter(name, 40) if "/spot/" in name else data for name, data in CLEAN.items()}
    found = findings_of(files, tmp_path)
    assert list(found) == ["confound_brightness"]
    assert "AUROC 1.000, defective ones are brighter" in found["confound_brightness"].what


def test_test_pictures_under_other_light_are_a_shift(tmp_path):
    files = {name: brighter(name, 40) if name.startswith("test") else data for name, data in CLEAN.items()}
    found = findings_of(files, tmp_path)
    assert list(found) == ["shift_brightness"]


def test_classes_too_small_for_the_metrics_are_told(tmp_path):
    kept = {name: data for name, data in CLEAN.items() if int(name[-6:-4]) < 4}
    found = findings_of(kept, tmp_path)
    assert list(found) == ["few_tested", "few_calibrating", "few_per_kind"]
    assert found["few_tested"].what == "4 good and 4 defective test pictures"
    good = {name: data for name, data in CLEAN.items() if "/spot/" not in name}
    assert list(findings_of(good, tmp_path)) == ["missing_class"]


def manifest_of(**pictures):
    """So many pictures of each kind: `train`, `calibration`, `good` and `spot`, the last two to test."""
    kinds = [kind for kind, count in pictures.items() for _ in range(count)]
    return pd.DataFrame(
        {
            "image_id": [f"{row:03}.png" for row in range(len(kinds))],
            "split": [kind if kind in ("train", "calibration") else "test" for kind in kinds],
            "label": [int(kind == "spot") for kind in kinds],
            "defect": ["spot" if kind == "spot" else "good" for kind in kinds],
            "mask": pd.Series([None] * len(kinds), dtype="str"),
        }
    )


def few_calibrating(**pictures):
    found = {finding.check: finding for finding in check_counts(manifest_of(good=30, spot=30, **pictures))}
    assert set(found) <= {"few_calibrating"}
    return found["few_calibrating"].line() if found else None


@pytest.mark.parametrize(("count", "least"), [(3, "25 % false alarms (1 of 4)"), (40, "2.4 % false alarms (1 of 41)")])
def test_few_good_pictures_are_told_with_the_least_rate_that_they_can_promise(count, least):
    line = few_calibrating(train=count)
    assert line.startswith(
        f"{count} good pictures (train) to set a threshold, fewer than 99: none can promise less than"
    )
    assert least in line
    assert "autoencoder does, not even that" in line  # it holds a share of the training pictures out


def test_19_pictures_are_enough_for_5_percent_and_are_told_all_the_same():
    # alpha 0.05 needs 19, alpha 0.01 needs 99; which one is wanted is not known here
    assert "5 % false alarms (1 of 20)" in few_calibrating(train=19)
    assert "1 % false alarms (1 of 99)" in few_calibrating(train=98)
    assert few_calibrating(train=99) is None


def test_pictures_set_apart_for_calibration_are_those_that_count():
    line = few_calibrating(train=500, calibration=20)
    assert "20 good pictures (calibration)" in line
    assert "autoencoder" not in line  # it holds nothing out where some are set apart
    assert few_calibrating(train=5, calibration=99) is None


def test_the_least_rate_is_the_share_of_orders_in_which_the_next_score_is_the_highest():
    orders = list(permutations(range(5)))
    highest = sum(order[-1] == max(order) for order in orders) / len(orders)
    assert least_false_alarm_rate(4) == highest == 0.2


def test_defective_pictures_without_a_mask_beside_others_are_told_by_name():
    manifest = manifest_of(train=99, good=30, spot=30)
    spots = manifest.index[manifest["label"] == 1]
    assert list(check_counts(manifest)) == []  # none has a mask
    manifest.loc[spots, "mask"] = "m.png"
    assert list(check_counts(manifest)) == []  # all have
    manifest.loc[spots[[4, 7]], "mask"] = None
    [found] = check_counts(manifest)
    assert (found.check, list(found.pictures)) == ("missing_masks", manifest["image_id"][spots[[4, 7]]].tolist())
    assert "2 of 30 defective test pictures have no mask" in found.line()
    assert "pixel metrics leave them out" in found.line()


def test_the_report_holds_what_was_found_and_counts(tmp_path):
    findings = findings_of(CLEAN | {"train/good/x.png": CLEAN[FIRST]}, tmp_path)
    report = read_json(tmp_path / "report.json")
    assert report["pictures"] == {"train": 100, "calibration": 0, "test_good": 24, "test_defective": 24}
    assert report["findings"] == [finding.record() for finding in findings.values()]
    assert set(report["auroc_of_properties"]) == {"brightness", "contrast", "colour", "file_bytes", "pixels"}


def test_only_the_cores_that_this_process_may_use_measure(monkeypatch):
    workers = started_workers(monkeypatch, pictures, cores=3)
    measured = pictures.measure(np.zeros((2, 64, 64, 3), np.uint8))
    assert workers == [3]
    assert measured.clipped.tolist() == [1.0, 1.0]


def test_many_sizes_without_a_usual_one_are_told(tmp_path):
    files = dict(CLEAN)
    for row, name in enumerate(files):
        picture = Image.fromarray(decoded(files[name])).resize((120 + row % 4, 128))
        files[name] = encoded(np.asarray(picture))
    assert "mixed_sizes" in findings_of(files, tmp_path)


def test_products_that_all_look_alike_are_no_copies():
    # one picture with a little noise, as of a part in a fixture: their plain correlations are above 0.9999
    generator = np.random.default_rng(0)
    grids = np.clip(texture(0)[::4, ::4] + generator.normal(0, 0.6, (50, 32, 32)), 0, 255).astype(np.uint8)
    found = near_copies(grids, np.full(50, True), np.arange(50), np.zeros(50, int), 1)
    assert (found == -1).all()
    flat = grids.reshape(50, -1).astype(float)
    assert np.corrcoef(flat).min() > 0.999


def test_near_copies_are_those_of_a_double_loop():
    generator = np.random.default_rng(1)
    grids = np.stack([texture(row)[::4, ::4] for row in range(300)])
    copies = generator.choice(300, 40, replace=False)
    grids[copies[:20]] = np.clip(grids[copies[20:]].astype(int) + generator.integers(-1, 2, (20, 32, 32)), 0, 255)
    group = generator.integers(0, 3, 300)
    found = near_copies(grids, np.full(300, True), np.arange(300), group, 3)
    flat = grids.reshape(300, -1).astype(float)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    rest = flat - flat.mean(axis=0)
    rest /= np.linalg.norm(rest, axis=1, keepdims=True)
    near = (flat @ flat.T >= 0.999) & (rest @ rest.T >= 0.995) & ~np.eye(300, dtype=bool)
    assert near.sum() == 40
    expected = [[next((j for j in np.flatnonzero(near[i]) if group[j] == g), -1) for g in range(3)] for i in range(300)]
    assert found.tolist() == expected


def test_hashes_are_the_signs_of_the_cosine_transform():
    from scipy.fft import dctn

    pictures = np.random.default_rng(2).normal(size=(5, 32, 32)).astype(np.float32)
    order = sorted(np.ndindex(11, 11), key=lambda pair: (sum(pair), pair))[1:65]
    bits = [[dctn(picture)[pair] > 0 for pair in order] for picture in pictures]
    assert perceptual_hashes(pictures).view(np.uint8).reshape(5, 8).tolist() == np.packbits(bits, axis=1).tolist()


def test_the_area_of_a_property_is_that_of_the_metrics():
    generator = np.random.default_rng(3)
    high, low = generator.integers(0, 9, 30), generator.integers(0, 7, 40)
    labels = np.array([1] * 30 + [0] * 40)
    assert auroc(high, low) == pytest.approx(metrics.auroc(labels, np.concatenate([high, low])))


def test_the_half_width_is_that_of_a_simulation():
    # scores of two exponential laws have the very area and variance that Hanley and McNeil's formula assumes
    generator, expected = np.random.default_rng(4), 0.9
    defective = generator.exponential(expected / (1 - expected), (2000, 30))
    good = generator.exponential(1, (2000, 20))
    areas = [auroc(*pair) for pair in zip(defective, good, strict=True)]
    assert half_width(20, 30) == pytest.approx(1.96 * np.std(areas), rel=0.07)


@pytest.mark.parametrize(("width", "height", "times"), [(1500, 30, 50), (60, 240, 4)])
def test_pictures_that_are_squeezed_are_told_with_what_a_patch_spans(tmp_path, width, height, times):
    files = {}
    for row, name in enumerate([*(f"train/good/{row}.png" for row in range(4)), "test/good/8.png", "test/spot/9.png"]):
        files[name] = encoded(np.asarray(Image.fromarray(texture(row)).resize((width, height))))
    found = findings_of(files, tmp_path)["stretched"]
    assert found.what == f"6 pictures squeezed, such as one of {width} x {height} px into 128 x 128 px"
    assert f"a patch spans {times} times as much" in found.effect
    assert "preprocess.shape" in found.advice


def test_pictures_of_films_and_phones_are_not_called_extreme(tmp_path):
    files = {
        name: encoded(np.asarray(Image.fromarray(texture(row)).resize((160, 90))))
        for row, name in enumerate(["train/good/1.png", "test/good/8.png"])
    }
    assert "stretched" not in findings_of(files, tmp_path)


def test_pictures_of_next_to_no_pixels_are_told_by_name(tmp_path):
    found = findings_of(CLEAN | {"train/good/x.png": odd(1, 1), "test/spot/y.png": odd(200, 15)}, tmp_path)
    assert found["tiny"].pictures == ["test/spot/y.png", "train/good/x.png"]
    assert found["tiny"].what == "2 pictures of next to no pixels, such as 200 x 15 px"


@pytest.mark.parametrize(
    ("alpha", "count", "enough"), [(0.05, 19, True), (0.05, 18, False), (0.01, 98, False), (0.1, 9, True)]
)
def test_a_promise_takes_one_over_alpha_pictures_less_one(alpha, count, enough):
    manifest = pd.DataFrame({"split": ["train"] * count + ["test"] * 5})
    assert [one.check for one in check_promise(manifest, alpha)] == ([] if enough else ["no_promise"])


def test_pictures_for_calibration_are_those_that_promise():
    manifest = pd.DataFrame({"split": ["train"] * 100 + ["calibration"] * 5})
    [found] = check_promise(manifest, 0.05)
    assert found.what == "5 good pictures (calibration) to set a threshold, and 5 % false alarms take 19"


def test_copies_of_copies_are_one_group_whatever_lies_between():
    grids = np.random.default_rng(0).integers(40, 200, (9, 32, 32), dtype=np.uint8)
    grids[3], grids[5], grids[8] = grids[1] + 20, grids[1] - 20, grids[2]
    identity = np.arange(9)
    identity[7] = 6  # the same bytes, so that their pixels are not compared
    assert copy_groups(grids, np.full(9, True), identity).tolist() == [0, 1, 2, 1, 4, 1, 6, 6, 2]
    assert copy_groups(grids, np.full(9, False), np.arange(9)).tolist() == list(range(9))
