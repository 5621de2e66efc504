"""Each fault is planted in a clean generated folder; the checks must find exactly that one, with its pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from iad.datacheck.confounds import auroc
from iad.datacheck.counts import half_width
from iad.datacheck.near_copies import near_copies, perceptual_hashes
from iad.metrics import image as metrics
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
    assert list(findings_of(kept, tmp_path)) == ["few_tested", "few_calibrating", "few_per_kind"]
    good = {name: data for name, data in CLEAN.items() if "/spot/" not in name}
    assert list(findings_of(good, tmp_path)) == ["missing_class"]


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
    assert (found.partner == -1).all()
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
    assert found.partner.tolist() == expected


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
