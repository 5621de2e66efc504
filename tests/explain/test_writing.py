"""`iad explain`: sheets, numbers and refusals."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import iad
from iad.cli import app
from iad.data.carpet import draw
from iad.errors import IadError
from iad.explain import WAYS
from tests.explain.conftest import SIZE

pytest.importorskip("captum", reason="needs the extra iad[explain]")


@pytest.fixture(scope="module")
def files(tmp_path_factory, autoencoder):
    folder = tmp_path_factory.mktemp("explain")
    (folder / "new").mkdir()
    autoencoder.save(folder / "ae.iad")
    Image.fromarray(draw(0, 1, 0, SIZE, "hole")[0]).save(folder / "new" / "hole.png")
    (folder / "new" / "worn.png").write_text("no picture")
    return folder


def run(*arguments):
    return CliRunner().invoke(app, ["explain", *map(str, arguments)])


def test_a_sheet_and_numbers_of_each_picture_that_can_be_read(files):
    found = run(files / "new", "--bundle", files / "ae.iad", "--out", files / "out", "--method", "all", "--json")
    assert found.exit_code == 4, found.output
    told = json.loads(found.stdout.splitlines()[0])
    assert list(told["explanations"]) == list(WAYS)
    assert told["rejected"] == (told["score"] >= told["threshold"])
    assert np.shape(told["explanations"]["occlusion"]["grid"]) == (16, 16)
    with Image.open(files / "out" / "hole.png") as sheet:
        assert sheet.width > 7 * 300
    assert [one.name for one in (files / "out").iterdir()] == ["hole.png"]
    assert "worn.png" in found.stderr


def test_what_replaces_parts_is_said_when_it_scores_no_lower(patches, tmp_path):
    Image.fromarray(draw(0, 0, 5, SIZE, None)[0]).save(tmp_path / "good.png")  # one of the bundle: it scores 0
    patches.save(tmp_path / "b.iad")
    found = run(tmp_path / "good.png", "--bundle", tmp_path / "b.iad", "--out", tmp_path / "o", "--method", "occlusion")
    assert found.exit_code == 0, found.output
    assert "is hardly lower: occlusion" in found.stderr
    assert "--good" in found.stderr


def test_good_pictures_that_are_not_there_are_told_once_and_families_of_ways_are_known(good, tmp_path):
    for name in ("new", "good"):
        (tmp_path / name).mkdir()
    fitted = []
    for number, picture in enumerate(good):
        fitted.append(tmp_path / f"{number}.png")
        Image.fromarray(picture).save(fitted[-1])
    made = iad.fit(fitted, "ae", image_size=SIZE, device="cpu", training={"epochs": 1}, threshold={"alpha": 0.3})
    made.save(tmp_path / "b.iad")
    for number in (0, 1):
        fitted[number].rename(tmp_path / "good" / fitted[number].name)
        Image.fromarray(draw(0, 1, number, SIZE, "hole")[0]).save(tmp_path / "new" / f"{number}.png")
    common = ("--bundle", tmp_path / "b.iad", "--out", tmp_path / "o", "--good", tmp_path / "good")
    found = run(tmp_path / "new", *common, "--method", "SHAP", "--method", "kernel-shap", "--json")
    assert found.exit_code == 0, found.output
    assert found.stderr.count(f"only 2 of the 16 good pictures of the bundle lie below {tmp_path / 'good'}") == 1
    told = [json.loads(line) for line in found.stdout.splitlines()]
    assert [[*one["explanations"]] for one in told] == [["kernel_shap"]] * 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--bundle", "gone.iad", "--out", "o"), "gone.iad: "),
        (("--bundle", "ae.iad", "--out", ".", "--method", "rise"), "--method rise: no way of explaining. Use"),
        (("--bundle", "gone.iad", "--out", "."), "gone.iad: no such file"),
        (("--bundle", "ae.iad", "--out", "."), ".: an input lies in it (ae.iad); name a folder of its own, as out"),
        (("--bundle", "ae.iad", "--out", "o", "--good", "new"), "none of its pictures is one"),
        (("--bundle", "ae.iad", "--out", "new"), "new: an input lies in it (new/hole.png)"),
    ],
)
def test_what_cannot_be_is_said_in_a_line_and_nothing_is_written(files, monkeypatch, arguments, said):
    monkeypatch.chdir(files)
    found = run("new/hole.png", *arguments)
    assert isinstance(found.exception, IadError)
    assert said in str(found.exception)
    assert "\n" not in str(found.exception)
    assert not (files / "o").exists()


def test_a_missing_package_is_named(files, monkeypatch):
    monkeypatch.setattr("iad.explain.writing.find_spec", lambda _: None)
    found = run(files / "new", "--bundle", files / "ae.iad", "--out", files / "o")
    assert str(found.exception) == "iad explain: captum is missing; install the extra iad[explain]"
