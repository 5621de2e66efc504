"""Another product among the defective pictures, of equal light and size, is told by its border; spots are not."""

import numpy as np

from iad.datacheck.border import border_features, separation
from tests.datacheck.planted import SIDE, clean_folder, encoded, findings_of, texture


def other_product(seed):
    """A check pattern of the brightness and contrast of the textured part."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    pattern = 118 + 30 * np.sign(np.sin(x / 7) * np.sin(y / 7)) + generator.normal(0, 3, (SIDE, SIDE))
    return np.clip(pattern, 0, 255).astype(np.uint8)


def test_another_product_among_the_defective_ones_is_told(tmp_path):
    files = {name: data for name, data in clean_folder().items() if "spot" not in name}
    files |= {f"test/spot/{row:02}.png": encoded(other_product(row)) for row in range(24)}
    found = findings_of(files, tmp_path)
    assert "confound_brightness" not in found
    assert "(AUROC 1.000, out of sample)" in found["confound_border"].what


def test_spots_inside_the_same_product_are_not(tmp_path):
    assert "confound_border" not in findings_of(clean_folder(), tmp_path)


def test_noise_of_many_features_does_not_separate():
    found = [separation(*np.split(np.random.default_rng(seed).normal(size=(40, 200)), 2)) for seed in range(50)]
    assert abs(np.mean(found) - 0.5) < 0.05  # out of sample: as often below one half as above
    assert max(found) < 0.95


def test_nine_good_and_ten_of_another_product_are_enough(tmp_path):
    files = {name: data for name, data in clean_folder().items() if "train" in name}
    files |= {f"test/good/{row}.png": encoded(texture(100 + row)) for row in range(9)}
    files |= {f"test/spot/{row}.png": encoded(other_product(row)) for row in range(10)}
    assert "confound_border" in findings_of(files, tmp_path)


def test_a_few_of_one_product_give_no_hint_by_luck():
    found = []
    for seed in range(300):
        rows = border_features(np.random.default_rng(seed).integers(0, 255, (19, 32, 32), dtype=np.uint8))
        found.append(separation(rows[:9], rows[9:]))
    assert np.mean(np.array(found) >= 0.95) < 0.01  # measured: 0.0025


def test_borders_that_are_all_the_same_tell_nothing():
    flat = border_features(np.zeros((6, SIDE, SIDE), np.uint8))
    assert separation(flat, flat) == 0.5
