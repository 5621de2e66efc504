"""A user with a handful of good pictures: scores, maps and p-values, and no program takes them for verdicts."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import iad
from iad.bundles.predictor import load
from iad.errors import IadError
from tests.bundled import iad as command

FEW, ENOUGH = 6, 19  # good pictures; at 5 % false alarms it takes 19
OPEN, UNREAD = 5, 4
LINE = (
    "p-values and no verdict, since 6 good pictures can promise 14.3 % false alarms (1 in 7) at best and 5 % takes 19"
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Noise as `good/00.png` to `good/18.png`, and a picture with a bright square."""
    folder, rng = tmp_path_factory.mktemp("few"), np.random.default_rng(0)
    (folder / "good").mkdir()
    for number in range(ENOUGH):
        noise = rng.integers(60, 120 + 2 * number, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "good" / f"{number:02}.png")
    noise[16:48, 16:48] = 255
    Image.fromarray(noise).save(folder / "odd.png")
    return folder


@pytest.fixture(scope="module")
def backbone(tiny_weights):
    return {"model": "test_vit", "weights": f"file:{tiny_weights['test_vit']}", "patches": {"layers": [2, 4]}}


def fitted(pictures, backbone, number, **options):
    files = sorted((pictures / "good").iterdir())[:number]
    return iad.fit(files, "patch_vit", backbone=backbone, image_size=64, device="cpu", precision="fp32", **options)


@pytest.fixture(scope="module")
def bundle(pictures, backbone):
    """Of six good pictures."""
    with pytest.warns(UserWarning, match="p-values and no verdict"):
        inspector = fitted(pictures, backbone, FEW)
    inspector.save(pictures / "few.iad")
    return pictures / "few.iad"


@pytest.mark.parametrize("number", [2, 4, 8, 16])
def test_a_picture_gets_the_p_value_of_its_rank_and_no_verdict(pictures, backbone, number):
    with pytest.warns(UserWarning, match=rf"since {number} good pictures"):
        inspector = fitted(pictures, backbone, number)
    [found] = inspector.predict(pictures / "odd.png")
    reached = int((inspector.bundle.calibration.scores >= found.pred_score).sum())
    assert found.p_value == (1 + reached) / (number + 1)
    assert (found.rejected, found.said, found.error) == (None, "no verdict", "")
    assert found.anomaly_map.shape == (64, 64)


def test_with_as_many_as_the_rate_takes_there_are_verdicts(pictures, backbone, recwarn):
    inspector = fitted(pictures, backbone, ENOUGH)
    [found] = inspector.predict(pictures / "odd.png")
    assert found.rejected is (found.pred_score >= inspector.threshold)
    assert not recwarn.list


def test_a_rate_that_so_few_can_hold_gives_verdicts(pictures, backbone, recwarn):
    assert fitted(pictures, backbone, FEW, threshold={"alpha": 0.15}).decides
    assert not recwarn.list


def test_predict_shows_p_values_and_ends_with_a_code_of_its_own(pictures, bundle):
    printed = command("predict", bundle, pictures / "odd.png", "--out", pictures / "a.csv", "--force", code=OPEN)
    assert printed.strip() == LINE + "; none is below 0.1429; what they say is an estimate and no proven bound"
    assert "no verdict" in command("predict", bundle, pictures / "odd.png", code=OPEN).splitlines()[2]
    with (pictures / "a.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    assert row["rejected"] == ""
    assert float(row["p_value"]) >= 1 / (FEW + 1)


def test_a_picture_that_cannot_be_read_counts_as_before(pictures, bundle):
    (pictures / "torn.png").write_bytes(b"torn")
    assert "1 not read" in command("predict", bundle, pictures / "odd.png", pictures / "torn.png", code=UNREAD)


def test_show_names_no_threshold(bundle):
    printed = command("bundle", "show", bundle)
    assert "threshold  none, jackknife of 6 good pictures" in printed
    assert LINE in printed


def files_in(folder):
    """But for the log, which is opened before any bundle."""
    return {path.name for path in folder.iterdir() if not path.name.startswith((".", "verdicts.db"))}


@pytest.mark.parametrize("words", [
    ["watch", "good", "--bundle", "few.iad"], ["serve", "few.iad"], ["export", "few.iad", "--format", "onnx"],
    ["review", "few.iad"], ["promote", "few.iad", "other.iad"],
])  # fmt: skip
def test_what_needs_verdicts_refuses_it_in_one_line_and_leaves_nothing(pictures, bundle, backbone, words, monkeypatch):
    monkeypatch.chdir(pictures)
    if not Path("other.iad").exists():
        fitted(pictures, backbone, ENOUGH).save("other.iad")
    before = files_in(pictures)
    with pytest.raises(IadError, match=r"^few\.iad: p-values and no verdict, since 6 good pictures") as refusal:
        command(*words)
    assert "\n" not in str(refusal.value)
    assert files_in(pictures) == before


def test_further_pictures_make_it_decide(pictures, bundle):
    printed = command("bundle", "add", bundle, pictures / "good", "--out", pictures / "more.iad")
    assert "threshold none -> " in printed
    assert "have rejected" not in printed  # it rejected nothing before
    assert load(pictures / "more.iad").decides
