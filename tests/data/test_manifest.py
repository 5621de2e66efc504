"""A manifest lists each picture once, in one order, and only what the later stages can work with."""

import numpy as np
import pandas as pd
import pytest

from iad.data.manifest import (
    COLUMNS,
    Label,
    Picture,
    read_manifest,
    rows_of,
    sorted_pictures,
    split_good,
    write_manifest,
)
from iad.errors import IadError
from iad.io import write_table


def picture(image_id, split="train", label=0, defect="good", mask=None):
    return Picture(image_id, split, label, defect, bytes, mask, bytes)


GOOD = [picture("b.png"), picture("a.png"), picture("c.png", "test")]


def refusal(*pictures):
    with pytest.raises(IadError) as caught:
        sorted_pictures([*GOOD, *pictures])
    return str(caught.value)


def test_pictures_are_sorted_by_their_ids():
    assert [p.image_id for p in sorted_pictures(GOOD)] == ["a.png", "b.png", "c.png"]


def test_normal_is_0_and_anomalous_is_1():
    assert (Label.NORMAL, Label.ANOMALOUS) == (0, 1)


def test_two_files_with_one_id_are_refused_by_name():
    assert "two files have the id 'a.png'" in refusal(picture("a.png", "test"))


def test_a_mask_may_not_have_the_id_of_a_picture_or_of_another_mask():
    assert "'a.png'" in refusal(picture("d.png", "test", 1, "hole", mask="a.png"))
    bad = [picture(f"{name}.png", "test", 1, "hole", mask="m.png") for name in "de"]
    assert "'m.png'" in refusal(*bad)


@pytest.mark.parametrize("image_id", ["/a.png", "../a.png", "a/../../b.png", "a\n.png"])
def test_an_id_stays_inside_the_archive_and_on_its_line(image_id):
    line = refusal(picture(image_id))
    assert "not a relative path" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"split": "validation"}, "split 'validation' is none of train, calibration, test"),
        ({"label": 2, "split": "test"}, "label 2"),
        ({"label": 1, "split": "test"}, "label 1 with defect 'good'"),
        ({"defect": "hole", "split": "test"}, "label 0 with defect 'hole'"),
        ({"label": 1, "defect": "hole"}, "a defective picture for train"),
        ({"label": 1, "defect": "hole", "split": "calibration"}, "a defective picture for calibration"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused_by_name(wrong, told):
    line = refusal(picture("x.png", **wrong))
    assert line.startswith("x.png: ")
    assert told in line


def test_no_good_training_picture_is_refused():
    with pytest.raises(IadError, match="no good pictures to train on"):
        sorted_pictures([picture("a.png", "test")])


def test_an_empty_test_set_is_refused_and_one_class_is_not():
    with pytest.raises(IadError, match="no test pictures"):
        sorted_pictures([picture("a.png")])
    assert sorted_pictures([picture("a.png"), picture("b.png", "test", 1, "hole")])


ROWS = {
    "image_id": ["a.png", "b ü.png"], "split": ["train", "test"], "label": [0, 1], "defect": ["good", "hole"],
    "mask": [None, "m.png"], "width": [3, 4], "height": [5, 6], "sha256": ["00", "ff"],
}  # fmt: skip
TYPES = {name: "int64" if name in ("label", "width", "height") else "str" for name in COLUMNS}


def test_what_is_written_is_read_back(tmp_path):
    write_manifest(tmp_path / "m.parquet", dict(reversed(ROWS.items())))
    found = read_manifest(tmp_path / "m.parquet")
    assert tuple(found) == COLUMNS
    assert found.dtypes.astype(str).to_dict() == TYPES
    assert found.index.equals(pd.RangeIndex(2))
    assert found.drop(columns="mask").to_dict("list") == {name: ROWS[name] for name in COLUMNS if name != "mask"}
    assert found["mask"].isna().tolist() == [True, False]
    assert found["mask"][1] == "m.png"


def test_a_manifest_that_was_read_is_written_as_the_same_bytes(tmp_path):
    write_manifest(tmp_path / "1", ROWS)
    write_manifest(tmp_path / "2", read_manifest(tmp_path / "1"))
    write_manifest(tmp_path / "3", {name: np.array(column, dtype=object) for name, column in ROWS.items()})
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes() == (tmp_path / "3").read_bytes()


def test_masks_that_are_all_missing_are_a_column_of_text_all_the_same(tmp_path):
    write_manifest(tmp_path / "m.parquet", ROWS | {"mask": [None, None]})
    found = read_manifest(tmp_path / "m.parquet")
    assert found["mask"].isna().all()
    assert found.dtypes.astype(str).to_dict() == TYPES


def test_rows_of_a_split_are_row_numbers_of_every_array():
    split = ["test", "train", "test", "calibration", "train"]
    for manifest in ({"split": np.array(split, dtype=object)}, pd.DataFrame({"split": split})):
        assert rows_of(manifest, "train").tolist() == [1, 4]
        assert rows_of(manifest, "train").dtype == np.int64
        assert rows_of(manifest, "other").tolist() == []


def test_a_table_that_is_no_manifest_is_refused(tmp_path):
    write_table(tmp_path / "m.parquet", {"image_id": ["a"], "split": ["train"]})
    with pytest.raises(IadError, match="has no column 'label'"):
        read_manifest(tmp_path / "m.parquet")


@pytest.mark.parametrize(("count", "share", "training"), [(588, 0.7, 411), (100, 0.29, 29), (1, 0.7, 1), (3, 0.1, 1)])
def test_the_training_share_is_rounded_down_but_never_to_nothing(count, share, training):
    split = split_good([f"{i:04d}" for i in range(count)], share, seed=0)
    assert len(split) == count
    assert list(split.values()).count("train") == training


def test_the_split_follows_the_seed_and_not_the_order_of_the_files():
    names = [f"{i:02d}" for i in range(40)]
    first = split_good(names, 0.5, seed=0)
    assert split_good(names[::-1], 0.5, seed=0) == first
    assert split_good(names, 0.5, seed=1) != first


def test_no_good_pictures_give_an_empty_split():
    assert split_good([], 0.7, seed=0) == {}
