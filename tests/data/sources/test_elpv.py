"""Cells are read from the wheel as data. The oracle is a tiny wheel of the same build, whose labels stand here."""

import io
from collections import Counter
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from iad.data.manifest import sorted_pictures
from iad.data.sources import load_pictures
from iad.errors import IadError

PROBABILITIES = {"good": "0.0", "third": "0.3333333333333333", "two_thirds": "0.6666666666666666", "bad": "1.0"}
COUNTS = {"mono": {"good": 10, "third": 3, "two_thirds": 2, "bad": 4}, "poly": {"good": 5, "bad": 1}}


def png(value):
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(autouse=True)
def cells(tmp_path, monkeypatch):
    """What the wheel says of each cell: kind, group, bytes."""
    cells, lines = {}, []
    with ZipFile(tmp_path / "elpv.whl", "w") as wheel:
        for kind, groups in COUNTS.items():
            for group, count in groups.items():
                for _ in range(count):
                    name = f"cell{len(cells) + 1:04d}.png"
                    cells[f"{kind}/{name}"] = (kind, group, png(len(cells)))
                    wheel.writestr(f"elpv_dataset/data/images/{name}", cells[f"{kind}/{name}"][2])
                    lines.append(f"images/{name}  {PROBABILITIES[group]:<19} {kind}\n")
        wheel.writestr("elpv_dataset/data/labels.csv", "".join(lines))
        wheel.writestr("elpv_dataset/__init__.py", "raise RuntimeError('code of the wheel was run')")
    monkeypatch.setattr("iad.data.wheels.fetch_wheel", lambda _: tmp_path / "elpv.whl")
    return cells


def load(category="mono", seed=0, train_share=0.7, doubtful="drop"):
    options = {"train_share": train_share, "doubtful": doubtful}
    return load_pictures("elpv", category, seed=seed, options=options, root=Path())


def counted(pictures):
    return Counter((picture.split, int(picture.label), picture.defect) for picture in pictures)


def test_sure_cells_are_split_and_doubtful_ones_left_out():
    assert counted(load()) == {("train", 0, "good"): 7, ("test", 0, "good"): 3, ("test", 1, "defective"): 4}


def test_doubtful_cells_may_count_as_good_ones_for_testing():
    extra = counted(load(doubtful="normal")) - counted(load())
    assert extra == {("test", 0, "good"): 5}


def test_doubtful_cells_may_count_as_defective():
    extra = counted(load(doubtful="anomalous")) - counted(load())
    assert extra == {("test", 1, "possibly_defective"): 3, ("test", 1, "probably_defective"): 2}


@pytest.mark.parametrize("doubtful", ["drop", "normal", "anomalous"])
def test_what_is_offered_is_a_valid_manifest_with_the_bytes_of_the_wheel(cells, doubtful):
    for picture in sorted_pictures(load("all", doubtful=doubtful)):
        kind, group, data = cells[picture.image_id]
        assert picture.read() == data
        assert picture.image_id.startswith(f"{kind}/")
        assert (group == "good") >= (picture.split == "train")


def test_a_category_is_one_kind_of_cell_or_both():
    assert {picture.image_id.partition("/")[0] for picture in load("poly")} == {"poly"}
    assert len(load("all")) == len(load("mono")) + len(load("poly"))


def test_the_split_follows_the_seed_and_the_doubtful_cells_do_not_change_it():
    def training(**options):
        return {picture.image_id for picture in load(**options) if picture.split == "train"}

    assert training() == training(doubtful="anomalous")
    assert training() != training(seed=1)


def test_an_unknown_category_is_refused_with_the_known_ones():
    with pytest.raises(IadError, match="unknown elpv category 'momo'; did you mean 'mono'"):
        load("momo")


def test_a_wheel_without_such_cells_is_refused(tmp_path, monkeypatch):
    with ZipFile(tmp_path / "empty.whl", "w") as wheel:
        wheel.writestr("elpv_dataset/data/labels.csv", "")
    monkeypatch.setattr("iad.data.wheels.fetch_wheel", lambda _: tmp_path / "empty.whl")
    with pytest.raises(IadError, match="lists no mono cells"):
        load()
