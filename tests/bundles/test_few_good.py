"""Quarter turns of few good pictures. The oracle compares every patch with every other in two loops."""

import numpy as np
import pytest
from PIL import Image

import iad
from iad.bundles.bundle import read_bundle
from iad.compute import resolve
from iad.detectors.embeddings import Embeddings
from iad.detectors.patch import Options
from iad.fitting.few import MOST, asks_for_turns, turned_over_plain
from iad.fitting.method import unfitted
from tests.bundled import iad as command

SIZES = {"image_size": 64, "device": "cpu", "precision": "fp32"}
RNG = np.random.default_rng(0)


@pytest.fixture
def backbone(tiny_weights):
    return {"model": "test_vit", "weights": f"file:{tiny_weights['test_vit']}", "patches": {"layers": [2, 4]}}


def noise(count):
    """Looks like itself in any direction."""
    return [RNG.integers(60, 180, (64, 64, 3), dtype=np.uint8) for _ in range(count)]


def upright(count):
    """Stripes that lie one way, each picture with a little noise of its own."""
    stripes = np.where(np.arange(64) // 2 % 2, 220, 30)[:, None, None]
    return [np.uint8(stripes + RNG.integers(0, 6, (64, 64, 3))) for _ in range(count)]


def versions(inspector):
    """How often the bank holds each picture, and how often the backbone will turn further ones."""
    return inspector.fitted.detector.versions, inspector.bundle.embedders["vit"]["patches"]["rotations"]


def nearest(patches, number, others):
    bank = [row for other, one in enumerate(others) if other != number for row in one.reshape(-1, one.shape[-1])]
    return [min(float(np.linalg.norm(row - one)) for one in bank) for row in patches.reshape(-1, patches.shape[-1])]


def test_the_ratio_is_that_of_the_highest_distances_to_the_patches_of_other_pictures():
    good = RNG.normal(size=(3, 2, 2, 4)).astype(np.float32)
    turns = RNG.normal(size=(3, 3, 2, 2, 4)).astype(np.float32)
    usual = [max(nearest(one, number, good)) for number, one in enumerate(good)]
    turned = [max(nearest(one, number, good)) for number, three in enumerate(turns) for one in three]
    options = Options(aggregate="max", subtract_median=0)
    found = turned_over_plain(Embeddings(patches=good, augmented=turns), options)
    assert found == pytest.approx(np.mean(turned) / np.mean(usual), rel=1e-5)


@pytest.mark.parametrize(("method", "reads", "patches", "pictures", "asked"), [
    ("patch_vit", "vit", {}, 1, False), ("patch_vit", "vit", {}, 2, True), ("patch_vit", "vit", {}, MOST, True),
    ("patch_vit", "vit", {}, MOST + 1, False), ("patch_vit", "vit", {"rotations": 1}, 4, False),
    ("patch_vit", "vit", {"flip": True}, 4, False), ("vit", "vit", {}, 4, False), ("padim", "vit", {}, 4, False),
    ("hybrid", "resnet", {}, 4, True),
])  # fmt: skip
def test_few_pictures_of_a_patch_bank_are_tried_unless_copies_are_asked_for(method, reads, patches, pictures, asked):
    fitted = unfitted(method, {}, seed=0, runtime=resolve(device="cpu", precision="fp32"))
    assert asks_for_turns(fitted, {"patches": patches}, reads, pictures) is asked


def test_turns_that_look_like_good_pictures_join_the_bank_and_are_told(backbone, capsys, tmp_path):
    with pytest.warns(UserWarning, match="p-values"):
        inspector = iad.fit(noise(4), "patch_vit", backbone=backbone, **SIZES)
    assert versions(inspector) == (4, 4)
    assert "patch_vit: 4 good pictures: the bank holds their quarter turns too" in capsys.readouterr().out
    inspector.save(tmp_path / "a.iad")
    Image.fromarray(noise(1)[0]).save(tmp_path / "more.png")
    command("bundle", "add", tmp_path / "a.iad", tmp_path / "more.png")
    assert len(read_bundle(tmp_path / "a.iad")[0].pictures) == 5


def test_turns_that_look_like_no_good_picture_are_left_out_and_told(backbone, capsys):
    with pytest.warns(UserWarning, match="p-values"):
        inspector = iad.fit(upright(4), "patch_vit", backbone=backbone, **SIZES)
    assert versions(inspector) == (1, 1)
    assert "patch_vit: 4 good pictures, held as they are: their quarter turns" in capsys.readouterr().out


def test_of_more_pictures_nothing_changes_and_nothing_is_told(backbone, capsys):
    pictures, new = noise(MOST + 1), noise(2)
    asked = {**backbone, "patches": {**backbone["patches"], "rotations": 1}}
    with pytest.warns(UserWarning, match="p-values"):
        one, two = (iad.fit(pictures, "patch_vit", backbone=given, **SIZES) for given in (backbone, asked))
    assert versions(one) == (1, 1)
    assert [found.pred_score for found in one.predict(new)] == [found.pred_score for found in two.predict(new)]
    assert "quarter turns" not in capsys.readouterr().out
