"""`iad data` on small folders with real pictures: what it prints, what it writes, and what it refuses."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from iad import paths
from iad.cli import app
from iad.data.sources import load_pictures
from iad.errors import IadError
from iad.pipeline.dataset import run_line
from tests.helpers import ROOT


def picture(seed, width=48, height=32):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def mask(width=48, height=32):
    file = io.BytesIO()
    drawn = np.zeros((height, width), np.uint8)
    drawn[5:9, 10:20] = 255
    Image.fromarray(drawn).save(file, "PNG")
    return file.getvalue()


def test_outside_of_a_project_it_looks_with_the_defaults(project):
    inside = shown("data/bolts")
    paths.PARAMS.unlink()
    outside = shown("data/bolts")
    assert outside[:-1] == inside[:-1]
    assert outside[-1] == (
        "no params.yaml here, so defaults hold; to run it, put it into a checkout of the repository, as data/bolts"
    )


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with the pictures of a part that is laid out as BTAD."""
    shutil.copy(ROOT / paths.PARAMS, tmp_path / paths.PARAMS)
    files = {f"train/ok/{row}.png": picture(row) for row in range(18)}
    files |= {f"test/ok/{row}.png": picture(100 + row) for row in range(7)}
    files |= {f"test/ko/{row}.png": picture(200 + row) for row in range(6)}
    files |= {f"ground_truth/ko/{row}.png": mask() for row in range(4)}
    for name, content in files.items():
        path = tmp_path / "data/bolts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(*arguments):
    return CliRunner().invoke(app, ["data", *map(str, arguments)], catch_exceptions=False).output.splitlines()


def refused(*arguments):
    with pytest.raises(IadError) as caught:
        shown(*arguments)
    return str(caught.value)


def everything(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_told_in_words_and_nothing_is_written(project):
    before = everything(project)
    lines = shown("data/bolts")
    assert lines[:4] == [
        "data/bolts: read as MVTec AD (mvtec)",
        "  test/ok counts as good",
        "  train/ok counts as good",
        "  2 of 6 defective pictures have no mask, such as test/ko/4.png; pixel metrics leave them out",
    ]
    table = [line.split() for line in lines if line.startswith(("train", "test", "      "))]
    assert [row[:3] for row in table[:2]] == [["train", "good", "18"], ["test", "good", "7"]]
    assert table[2] == ["ko", "6", "4", "48", "x", "32", "8-bit", "RGB"]
    assert any(line.startswith("warning: 18 good pictures (train) to set a threshold, and 5 % false") for line in lines)
    assert lines[-1] == "to run it: dvc exp run -S data.source=folder -S data.category=bolts"
    assert everything(project) == before


def test_what_is_named_on_the_line_is_in_the_command_that_runs_it(project):
    (project / "data/bolts").rename(project / "data/old")
    for name in ("1_ok.png", "2_ok.png", "3_ng.png"):
        (project / "data/flat").mkdir(exist_ok=True)
        (project / "data/flat" / name).write_bytes(picture(int(name[0])))
    pattern = "(?P<good>ok)|(?P<bad>ng)"
    lines = shown("data/flat", "--names", pattern, "--groups", r"name:(\d)")
    assert "groups: 1 train, 2 test" in lines
    assert lines[-1].endswith(
        f"""-S data.category=flat -S 'data.folder.names="{pattern}"' -S 'data.folder.groups="name:(\\d)"'"""
    )


def test_a_folder_elsewhere_is_looked_at_and_told_where_it_belongs(project):
    (project / "data/bolts").rename(project / "bolts")
    assert shown("bolts")[-1] == "to run it: put it below data first, as data/bolts"


def test_the_sheet_holds_a_row_for_each_kind_and_is_the_same_each_time(project):
    shown("data/bolts", "--sheet", "sheet.png")
    first = (project / "sheet.png").read_bytes()
    size = Image.open(io.BytesIO(first)).size
    shown("data/bolts", "--sheet", "sheet.png")
    assert (project / "sheet.png").read_bytes() == first
    (project / "data/bolts/test/hole").mkdir()
    (project / "data/bolts/test/hole/1.png").write_bytes(picture(999))
    shown("data/bolts", "--sheet", "sheet.png")
    assert Image.open(project / "sheet.png").size[1] > size[1]


def test_near_copies_become_a_table_of_groups_that_the_split_keeps(project):
    folder = project / "data/parts"
    (folder / "good").mkdir(parents=True)
    for part in range(6):
        for shot in range(2):
            light = np.asarray(Image.open(io.BytesIO(picture(part)))).astype(int) // 2 + 30 * shot
            Image.fromarray(light.astype(np.uint8)).save(folder / f"good/{part}_{shot}.png")
    lines = shown("data/parts", "--copies", "data/parts/copies.csv")
    told = (
        "data/parts/copies.csv: 12 pictures in 6 groups of near copies; use it with data.folder.groups=table:copies.csv"
    )
    assert told in lines
    options = dict.fromkeys(("product", "table", "names", "address")) | {"layout": "auto", "train_share": 0.5}
    found = load_pictures("folder", "parts", seed=0, options=options | {"groups": "table:copies.csv"}, root=paths.DATA)
    sides = {(one.image_id.split("_")[0], one.split) for one in found}
    assert len(sides) == 6
    assert refused("data/parts", "--copies", "data/parts/copies.csv").endswith(
        "is there already; give another name, or delete it"
    )


def test_what_download_would_refuse_is_refused_and_nothing_is_written(project):
    shutil.copy(project / "data/bolts/train/ok/0.png", project / "data/bolts/test/ok/0.png")
    line = refused("data/bolts", "--sheet", "sheet.png")
    assert line.startswith("train/ok/0.png (train) is the same picture as test/ok/0.png (test)")
    (project / "data/bolts/test/ok/0.png").write_bytes(b"no picture")
    assert refused("data/bolts", "--sheet", "sheet.png").startswith("test/ok/0.png: the content is not a picture")
    assert not (project / "sheet.png").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["data/none"], "data/none: no such folder (data.category)"),
        (["none"], "none: no such folder"),
        (["data/bolts", "--layout", "mvtek"], "unknown layout 'mvtek'; did you mean 'mvtec'?"),
        (["data/bolts", "--sheet", "sheet.jpg"], "--sheet sheet.jpg: not a .png"),
        (["data/bolts", "--sheet", "data/bolts/sheet.png"], "--sheet data/bolts/sheet.png: lies in data/bolts"),
        (["data/bolts", "--copies", "copies.csv"], "--copies copies.csv: not a .csv in data/bolts"),
        (["data/bolts", "--copies", "data/bolts/copies.txt"], "--copies data/bolts/copies.txt: not a .csv in"),
    ],
)
def test_wrong_arguments_are_one_line(project, arguments, told):
    before = everything(project)
    assert refused(*arguments).startswith(told)
    assert everything(project) == before


def test_masks_of_another_size_are_told(project):
    (project / "data/bolts/ground_truth/ko/0.png").write_bytes(mask(20, 20))
    assert any("ground_truth/ko/0.png: 20 x 20 px, but its picture" in line for line in shown("data/bolts"))


def test_the_category_may_be_a_folder_in_a_folder():
    assert "-S data.category=line/bolts" in run_line(paths.DATA / "line/bolts", {})
