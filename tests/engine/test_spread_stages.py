"""Stages whose work is handed out block by block write the same bytes. The oracle is what they write alone."""

import hashlib
import pickle
import shutil

import numpy as np
import pytest

from iad import paths
from iad.data.arrays import build_arrays
from iad.data.decoding import CONTENT, NAME, Encoded
from iad.data.originals import Originals
from iad.data.record import Entry, write_record
from iad.errors import IadError
from iad.stages.extract_resnet import extract_resnet
from iad.stages.extract_vit import extract_vit
from iad.stages.preprocess import preprocess
from iad.stages.score import score
from tests.conftest import set_params
from tests.data.test_arrays import SIZE, make_content, write
from tests.engine.here import Here, spread_here

CLASSICAL = {"lof": {"detector": "lof", "reads": "extract_vit", "params": "classical.lof"}}


@pytest.fixture
def project(reproduced_copy, monkeypatch, as_the_pipeline):
    monkeypatch.chdir(reproduced_copy)
    return reproduced_copy


def files_in(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def again(folder, stage, monkeypatch):
    """What a stage wrote, and what it writes when its work is handed out."""
    alone = files_in(folder)
    shutil.rmtree(folder)
    engine = spread_here(monkeypatch)
    stage()
    assert engine.blocks > 1
    return alone, files_in(folder)


def test_decoded_pictures_and_masks_are_the_same(project, monkeypatch):
    alone, spread = again(paths.PREPROCESS, preprocess, monkeypatch)
    assert paths.MASKS.relative_to(paths.PREPROCESS) in alone
    assert spread == alone


@pytest.mark.parametrize(
    ("stage", "folder"), [(extract_resnet, paths.EXTRACT_RESNET), (extract_vit, paths.EXTRACT_VIT)]
)
def test_embeddings_are_the_same(stage, folder, project, monkeypatch):
    alone, spread = again(folder, stage, monkeypatch)
    assert spread == alone


def test_tiles_cuts_and_rotated_copies_are_the_same(project, monkeypatch):
    changes = {"patches": {"tile": 32, "rotations": 3, "flip": True}, "depth": 5, "attribution": False}
    set_params(paths.PARAMS, paths.PARAMS, {"vit": changes, "preprocess": {"image_size": 64}})
    extract_vit()
    alone, spread = again(paths.EXTRACT_VIT, extract_vit, monkeypatch)
    assert (paths.EXTRACT_VIT / paths.AUGMENTED).is_file()
    assert spread == alone


@pytest.mark.parametrize("method", ["ae", "resnet", "vit", "patch_resnet", "patch_vit", "lof"])
def test_scores_and_maps_are_the_same(method, project, monkeypatch):
    set_params(paths.PARAMS, paths.PARAMS, {"methods": CLASSICAL})
    if method in CLASSICAL:
        score(method)
    alone, spread = again(paths.SCORE / method, lambda: score(method), monkeypatch)
    assert spread == alone


def test_the_first_damaged_picture_is_named_and_nothing_is_left(tmp_path):
    content = make_content(masks=False)
    for row in (33, 50):
        content[f"p/{row:03d}.png"] = content[f"p/{row:03d}.png"][:90]
    files = (tmp_path / "images.zip", write(tmp_path, content), tmp_path / "out/images.npy", tmp_path / "out/masks.npy")
    with pytest.raises(IadError, match=r"^p/033\.png: cut short or damaged"):
        build_arrays(*files, size=SIZE, engine=Here())
    assert not list((tmp_path / "out").iterdir())


def test_damaged_masks_are_named_and_mark_nothing(tmp_path, capsys):
    content = make_content(masks=True)
    content["m/033.png"] = content["m/033.png"][:60]
    manifest, out = write(tmp_path, content), tmp_path / "out"
    kept = build_arrays(
        tmp_path / "images.zip", manifest, out / "images.npy", out / "masks.npy", size=SIZE, engine=Here()
    )
    assert "warning: 1 mask is left out of pixel metrics: m/033.png" in capsys.readouterr().out
    assert np.flatnonzero(kept["mask"].isna() != manifest["mask"].isna()).tolist() == [33]
    assert not np.load(out / "masks.npy")[33].any()


def test_pictures_elsewhere_are_read_by_a_node_that_has_no_file_of_ours(tmp_path):
    content = make_content(masks=False)
    manifest = write(tmp_path, content)
    entries = []
    for name, data in content.items():
        (tmp_path / "bucket" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bucket" / name).write_bytes(data)
        entries.append(Entry(name, name, len(data), hashlib.sha256(data).hexdigest(), 0))
    record = tmp_path / "record.zip"
    write_record(record, (tmp_path / "bucket").as_uri(), entries)
    with Originals(record) as originals:
        sent = pickle.dumps(Encoded(originals, manifest["image_id"].tolist()))
    record.unlink()
    found = pickle.loads(sent)  # noqa: S301  # our own
    assert found.remote
    block = found.read(np.array([2, 5]))
    assert block[NAME].tolist() == ["p/002.png", "p/005.png"]
    assert block[CONTENT].tolist() == [content["p/002.png"], content["p/005.png"]]
