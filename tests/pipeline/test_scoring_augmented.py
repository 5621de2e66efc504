"""`score` with rotated copies in the bank. The oracle is a loop over the patches and copies of all other pictures."""

import numpy as np
import pytest

from iad import paths
from iad.data.manifest import read_manifest
from iad.io import new_array, read_json, read_table, write_json
from iad.stages.extract_vit import extract_vit
from iad.stages.score import score
from tests.prepared import write_prepared

SOURCE, FOLDER = paths.EXTRACT_VIT, paths.SCORE / "patch_vit"
RECORD = {"name": "net", "patches": {"layers": [2], "neighbourhood": 1, "rotations": 2}, "runtime": {"device": "cpu"}}


@pytest.fixture
def train(tiny_template, tmp_path, monkeypatch):
    """Rows of the training pictures, in a folder with random patches whose copies differ by next to nothing."""
    monkeypatch.chdir(tmp_path)
    write_prepared(tiny_template, tmp_path, patch={"aggregate": "max", "subtract_median": 0, "map_above": 0})
    rows = np.flatnonzero(read_manifest(paths.MANIFEST)["split"] == "train")
    rng, count = np.random.default_rng(1), len(np.load(paths.IMAGES, mmap_mode="r"))
    with new_array(SOURCE / paths.PATCHES, (count, 2, 3, 4), np.float16) as patches:
        patches[:] = rng.normal(size=patches.shape)
        with new_array(SOURCE / paths.AUGMENTED, (len(rows), 2, 2, 3, 4), np.float16) as copies:
            copies[:, 0] = patches[rows]
            copies[:, 1] = rng.normal(size=copies[:, 1].shape)
    write_json(SOURCE / paths.BACKBONE_RECORD, RECORD)
    return rows


def oracle(row, train):
    patches, copies = (np.load(SOURCE / name).astype(np.float64) for name in (paths.PATCHES, paths.AUGMENTED))
    good = [
        part.reshape(-1, 4) for place, other in enumerate(train) if other != row
        for part in (patches[other], copies[place])
    ]  # fmt: skip
    bank = np.concatenate(good)
    return np.array([[np.linalg.norm(bank - patch, axis=1).min() for patch in line] for line in patches[row]])


def test_a_training_picture_finds_neither_itself_nor_its_copies(train):
    score("patch_vit")
    maps = np.load(FOLDER / paths.CALIBRATION_MAPS)
    assert maps.min() > 0  # a copy of its own is in the bank, at distance 0
    np.testing.assert_allclose(maps, [oracle(row, train) for row in train], rtol=1e-6)
    assert set(read_table(FOLDER / paths.CALIBRATION_SCORES)["scheme"]) == {"leave_one_out"}


def test_a_test_picture_is_compared_with_pictures_and_copies(train):
    score("patch_vit")
    test = np.flatnonzero(read_manifest(paths.MANIFEST)["split"] == "test")
    np.testing.assert_allclose(np.load(FOLDER / paths.TEST_MAPS), [oracle(row, train) for row in test], rtol=1e-6)
    assert read_json(FOLDER / paths.PROVENANCE)["detector"]["bank"] == len(train) * 3 * 6


def test_patches_of_tiles_and_of_rotated_copies_come_from_the_stage_before(tiny_template, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_prepared(tiny_template, tmp_path, side=64, vit={"patches": {"tile": 32, "rotations": 3, "flip": True}})
    extract_vit()
    score("patch_vit")
    assert np.load(FOLDER / paths.TEST_MAPS, mmap_mode="r").shape == (9, 4, 4)
    found = read_json(FOLDER / paths.PROVENANCE)
    assert found["detector"]["bank"] == 12 * 6 * 16
    assert {name: found["model"]["patches"][name] for name in ("tile", "overlap", "rotations", "flip")} == {
        "tile": 32, "overlap": 0.25, "rotations": 3, "flip": True,
    }  # fmt: skip
