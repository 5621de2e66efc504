"""A bank as a file: what is written is read again, and nothing altered is."""

import json
import os

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from iad.errors import IadError
from iad.serving.bank_file import HEADER, Bank, Calibration, PictureSet, read_bank, write_bank

RNG = np.random.default_rng(0)
BANK = Bank(
    settings={"method": "patch_vit", "backbone": {"name": "net"}, "seed": 3},
    pictures=PictureSet(("a/ä.png", "b.png"), ("1", "2")),
    patches=RNG.normal(size=(7, 4)).astype(np.float16),
    rows=np.arange(7),
    grid=(2, 3),
    versions=1,
    foreground={},
    calibration=Calibration(
        PictureSet(("b.png",), ("2",)), np.array([1]), np.zeros((0, 2, 3, 4), np.float16), np.array([1 / 3])
    ),
    verdict={"value": 0.1 + 0.2},
    colours={"red": 1e-300},
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "bank.safetensors"
    write_bank(path, BANK, version="1.2")
    return path


def content_of(path):
    with safe_open(path, framework="numpy") as opened:
        return json.loads(opened.metadata()[HEADER])


def test_a_bank_is_read_as_it_was_written(file):
    found, digest = read_bank(file)
    for name in ("settings", "pictures", "grid", "versions", "foreground", "verdict", "colours"):
        assert getattr(found, name) == getattr(BANK, name)
    for name in ("patches", "rows"):
        np.testing.assert_array_equal(getattr(found, name), getattr(BANK, name))
        assert getattr(found, name).dtype == getattr(BANK, name).dtype
    for name in ("members", "patches", "scores"):
        np.testing.assert_array_equal(getattr(found.calibration, name), getattr(BANK.calibration, name))
    assert found.calibration.pictures == BANK.calibration.pictures
    assert content_of(file)["sha256"] == digest
    assert content_of(file)["iad"] == "1.2"


def test_a_foreground_travels_with_the_bank(tmp_path):
    direction = RNG.normal(size=4).astype(np.float32)
    shown = {"direction": direction, "threshold": 0.3, "reason": ""}
    write_bank(tmp_path / "b", Bank(**vars(BANK) | {"foreground": shown}), version="1")
    found, _ = read_bank(tmp_path / "b")
    np.testing.assert_array_equal(found.foreground.pop("direction"), direction)
    assert found.foreground == {"threshold": 0.3, "reason": ""}


def test_the_same_bank_is_the_same_file(file, tmp_path):
    write_bank(tmp_path / "again", BANK, version="1.2")
    assert (tmp_path / "again").read_bytes() == file.read_bytes()
    found, _ = read_bank(file)
    write_bank(tmp_path / "copy", found, version="1.2")
    assert (tmp_path / "copy").read_bytes() == file.read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_others_may_read_a_bank_as_any_other_file(file, tmp_path):
    (tmp_path / "any").write_bytes(b"")
    assert file.stat().st_mode == (tmp_path / "any").stat().st_mode


def test_nothing_is_left_beside_a_bank(file):
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def rewritten(file, tensors=None, **changed):
    """Write the file again with other content and the old hash."""
    content = content_of(file) | changed
    save_file(tensors or load_file(file), file, metadata={HEADER: json.dumps(content)})


@pytest.mark.parametrize("changed", [{"verdict": {"value": 0.5}}, {"iad": "2"}, {"seed": 4}, {"more": 1}])
def test_an_altered_value_of_the_header_is_refused(file, changed):
    rewritten(file)
    read_bank(file)
    rewritten(file, **changed)
    with pytest.raises(IadError, match="altered"):
        read_bank(file)


@pytest.mark.parametrize("name", ["patches", "rows", "calibration.scores", "calibration.members"])
def test_an_altered_tensor_is_refused(file, name):
    tensors = load_file(file)
    tensors[name] = np.flip(tensors[name]) if len(tensors[name]) > 1 else tensors[name] + 1
    rewritten(file, tensors)
    with pytest.raises(IadError, match="altered"):
        read_bank(file)


def test_a_header_without_its_hash_or_format_is_refused(file):
    rewritten(file, sha256=None)
    with pytest.raises(IadError, match="altered"):
        read_bank(file)
    rewritten(file, format="x")
    with pytest.raises(IadError, match="header was altered"):
        read_bank(file)
