"""`download` writes what a source offers, or one line and nothing. The oracle is the folder that it reads."""

import io
import struct
import sys
import zlib
from subprocess import run
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from iad import paths
from iad.config import load_params
from iad.data.manifest import read_manifest
from iad.errors import IadError
from iad.stages import download as stage
from tests.conftest import environment, set_params
from tests.helpers import ROOT, record_reads

RNG = np.random.default_rng(0)
FOLDER = ("layout", "product", "table", "names", "groups", "train_share", "address")
MVTEC = ["train/good/0.png", "train/good/1.png", "test/good/2.png", "test/hole/3.png"]


def png(width=12, height=8):
    file = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (height, width), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def huge_png(width, height):
    data = bytearray(png())
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def save(content, category="parts"):
    for name, data in content.items():
        path = paths.DATA / category / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return content


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    choose(source="folder", category="parts")
    return tmp_path


def choose(**data):
    set_params(ROOT / "params.yaml", paths.PARAMS, {"data": data})


def files_left():
    return [path for path in paths.STAGES.rglob("*") if path.is_file()]


def refusal():
    with pytest.raises(IadError) as caught:
        stage.download()
    assert not files_left()
    return str(caught.value)


def test_every_picture_and_mask_is_packed_and_listed(capsys):
    content = save({name: png() for name in [*MVTEC, "ground_truth/hole/3_mask.png"]})
    stage.download()
    with ZipFile(paths.ORIGINALS) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == content
    manifest = read_manifest(paths.RAW_MANIFEST)
    assert manifest["image_id"].tolist() == sorted(MVTEC)
    assert manifest["label"].tolist() == [0, 1, 0, 0]
    assert capsys.readouterr().out.splitlines() == [
        "data/parts: read as MVTec AD",
        "download: 4 pictures (2 train, 2 test of which 1 defective) from folder/parts",
    ]
    assert len(files_left()) == 2


def test_a_second_run_writes_the_same_bytes():
    save({f"{kind}/{i} ä.png": png() for kind in ("good", "bad") for i in range(4)})
    stage.download()
    first = {path: path.read_bytes() for path in files_left()}
    stage.download()
    assert {path: path.read_bytes() for path in files_left()} == first


def test_generated_pictures_need_no_folder(capsys):
    choose(source="synthetic", category="carpet", synthetic={"train": 3, "good": 2, "defective": 1, "size": 32})
    stage.download()
    assert "10 pictures (3 train, 7 test of which 5 defective) from synthetic/carpet" in capsys.readouterr().out
    assert read_manifest(paths.RAW_MANIFEST)["width"].tolist() == [32] * 10


@pytest.mark.parametrize(
    ("source", "own", "category"),
    [
        ("folder", {f"folder.{name}" for name in FOLDER}, "parts"),
        ("synthetic", {f"synthetic.{name}" for name in ("train", "good", "defective", "size")}, "carpet"),
        ("mvtec", {"mvtec.path"}, "carpet"),
        ("elpv", {"elpv.train_share", "elpv.doubtful"}, "mono"),
    ],
)
def test_only_the_options_of_the_chosen_source_are_read(monkeypatch, source, own, category):
    choose(source=source, category=category)
    found = record_reads(load_params(), monkeypatch)
    monkeypatch.setattr("iad.data.sources.load_pictures", lambda *_, **__: [])
    with pytest.raises(IadError, match="no good pictures"):
        stage.download()
    common = {"data.source", "data.category", "data.max_megapixels", "data.allow_shared", "seed"}
    assert found == common | {f"data.{name}" for name in own}


def test_a_missing_folder_names_the_command_that_makes_it_known():
    assert "`dvc add data/parts`" in refusal()


def test_an_unknown_source_or_category_is_refused():
    choose(source="foldr")
    assert "did you mean 'folder'" in refusal()
    choose(source="synthetic", category="carpt")
    assert "did you mean 'carpet'" in refusal()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"train/good/0.png": b""}, "train/good/0.png: empty file"),
        ({"train/good/0.png": b"text"}, "train/good/0.png: the content is not a picture"),
        ({"train/good/0.jpg": png()}, "train/good/0.jpg: the content is PNG"),
        ({"test/hole/4.png": huge_png(20_000, 15_000)}, "test/hole/4.png: more than 100 megapixels"),
        ({"ground_truth/hole/9_mask.png": png()}, "ground_truth/hole/9_mask.png: a mask without a picture"),
    ],
)
def test_a_bad_picture_is_refused_by_name_and_leaves_nothing(change, told):
    save({name: png() for name in MVTEC} | change)
    assert told in refusal()


def test_the_same_picture_in_training_and_test_is_refused_unless_allowed():
    content = {name: png() for name in MVTEC}
    save(content | {"test/good/copy.png": content["train/good/0.png"]})
    line = refusal()
    assert "test/good/copy.png" in line or "train/good/0.png" in line
    assert "data.allow_shared" in line
    choose(source="folder", category="parts", allow_shared=True)
    stage.download()


@pytest.mark.parametrize("pixels", [(20_000, 15_000), (12_000, 10_000)])
def test_a_refusal_is_one_line_on_the_command_line_and_exit_code_1(project, pixels):
    """In a process of its own, since Pillow warns of large pictures by a line of its own."""
    save({name: png() for name in MVTEC} | {"train/good/5.png": huge_png(*pixels)})
    command = [sys.executable, "-m", "iad", "download"]
    done = run(command, cwd=project, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "iad: train/good/5.png: more than 100 megapixels; cut or shrink it, or raise data.max_megapixels"
    ]
    assert not files_left()
