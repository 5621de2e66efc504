"""`iad kinds` and `iad predict --kinds`, from pictures on disk to the column of the table."""

import shutil

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

import iad
from iad.cli import app
from iad.data.carpet import draw
from iad.errors import IadError
from iad.kinds.file import read_kinds

KINDS = ("color", "hole")


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_weights):
    """A bundle of a patch method, one of whole pictures, and a folder of examples."""
    folder = tmp_path_factory.mktemp("kinds")
    good = [draw(0, 0, index, 96, None)[0] for index in range(24)]
    how = {"model": "test_vit", "weights": f"file:{tiny_weights['test_vit']}", "patches": {"layers": [0, 2]}}
    for method in ("patch_vit", "vit"):
        inspector = iad.fit(good, method, backbone=how, image_size=96, threshold={"alpha": 0.5}, device="cpu")
        inspector.save(folder / f"{method}.iad", with_weights=True)
    for kind in KINDS:
        (folder / "bad" / kind).mkdir(parents=True)
        for index in range(6):
            Image.fromarray(draw(1, 0, index, 96, kind)[0]).save(folder / "bad" / kind / f"{index}.png")
    (folder / "new").mkdir()
    for number, kind in enumerate((*KINDS, None)):
        for index in range(6):
            Image.fromarray(draw(2, number, index, 96, kind)[0]).save(folder / "new" / f"{kind or 'good'}{index}.png")
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    folder = shutil.copytree(made, tmp_path / "kinds")
    monkeypatch.chdir(folder)
    return folder


def command(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def refused(*words):
    with pytest.raises(IadError) as caught:
        command(*words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_rejected_parts_get_a_kind_and_scores_stay(here):
    found = command("kinds", "patch_vit.iad", "bad", "--out", "bolts.kinds")
    assert found.exit_code == 0, found.output
    assert "12 examples of 2 kinds" in found.output
    command("predict", "patch_vit.iad", "new", "--out", "plain.csv")
    told = command("predict", "patch_vit.iad", "new", "--kinds", "bolts.kinds", "--out", "named.csv")
    assert told.exit_code in {0, 3}
    plain, named = pd.read_csv("plain.csv"), pd.read_csv("named.csv")
    assert "kind" not in plain
    assert named[plain.columns].equals(plain)
    assert named["kind"].isna().tolist() == (~plain["rejected"]).tolist()
    rejected = named[named["rejected"]]
    assert len(rejected) >= 6
    assert set(rejected["kind"]) <= {*KINDS, "unknown"}
    assert set(rejected["kind"]) & {*KINDS}
    assert "kind" in command("predict", "patch_vit.iad", "new", "--kinds", "bolts.kinds").output.splitlines()[0]


def test_without_out_nothing_is_written_and_an_unreadable_example_is_told(here):
    (here / "bad" / "hole" / "torn.png").write_bytes((here / "bad" / "hole" / "0.png").read_bytes()[:200])
    before = sorted(here.rglob("*"))
    found = command("kinds", "patch_vit.iad", "bad")
    assert found.output.startswith("not read: ")
    assert "12 examples of 2 kinds" in found.output
    assert sorted(here.rglob("*")) == before


def test_kinds_go_with_their_own_bundle_alone(here):
    command("kinds", "patch_vit.iad", "bad", "--out", "bolts.kinds")
    read_kinds(here / "bolts.kinds")
    told = refused("predict", "vit.iad", "new", "--kinds", "bolts.kinds")
    assert "bolts.kinds: made with another bundle (patch_vit) than vit.iad (vit)" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("kinds", "vit.iad", "bad"), "kinds: vit does not look at patches"),
        (("kinds", "patch_vit.iad", "nowhere"), "nowhere: no such folder"),
        (("kinds", "patch_vit.iad", "bad/hole"), "kinds: 0 kinds of defects; give two at least"),
        (("kinds", "patch_vit.iad", "bad", "--out", "patch_vit.iad"), "is an input itself"),
        (("predict", "patch_vit.iad", "new", "--kinds", "patch_vit.iad"), "patch_vit.iad: "),
        (("predict", "x", "new", "--server", "http://127.0.0.1:9", "--kinds", "b"), "--kinds with --server"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(here, words, told):
    assert told in refused(*words)
