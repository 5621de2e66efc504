"""Groups stay whole: from a column, a folder, a name or a table, the split draws them and never parts one."""

from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from iad.data.groups import draw_split
from iad.data.manifest import Picture, read_manifest, split_good
from iad.data.packing import write_originals
from iad.errors import IadError
from tests.data.layouts.trees import facts, png, read, refusal


def good(name, group="", split=""):
    return Picture(name, split, 0, "good", bytes, group=group)


def bad(name, group=""):
    return Picture(name, "test", 1, "hole", bytes, group=group)


def splits(pictures):
    return {picture.image_id: picture.split for picture in pictures}


def sides(pictures):
    found = defaultdict(set)
    for picture in pictures:
        found[picture.group].add(picture.split)
    return found


def test_without_groups_the_split_is_that_of_pictures():
    names = [f"{row:02}.png" for row in range(20)]
    drawn = draw_split([good(name) for name in names], 0.7, seed=3)
    assert splits(drawn) == split_good(names, 0.7, seed=3)


@pytest.mark.parametrize("seed", range(20))
def test_groups_of_any_size_stay_whole_and_the_share_is_near(seed):
    sizes = [1, 2, 3, 5, 8, 1, 4, 6]
    pictures = [good(f"{group}_{one}.png", f"g{group}") for group, size in enumerate(sizes) for one in range(size)]
    drawn = draw_split(pictures, 0.7, seed=seed)
    assert all(len(one) == 1 for one in sides(drawn).values())
    assert abs(Counter(splits(drawn).values())["train"] - 0.7 * sum(sizes)) <= 4  # half of the largest group
    assert draw_split(pictures[::-1], 0.7, seed=seed)[::-1] == drawn


def test_good_pictures_of_a_defective_part_are_for_testing():
    pictures = [good("1.png", "A"), good("2.png", "B"), good("3.png", "C"), bad("4.png", "A")]
    drawn = splits(draw_split(pictures, 0.9, seed=0))
    assert drawn["1.png"] == "test"
    assert {drawn["2.png"], drawn["3.png"]} <= {"train", "test"}


def test_a_picture_in_no_group_is_alone():
    drawn = draw_split([good(f"{row}.png", "A" if row < 2 else "") for row in range(12)], 0.5, seed=0)
    assert Counter(one.split for one in drawn)["train"] == 6


def test_a_group_on_two_sides_of_a_split_that_is_given_is_refused():
    pictures = [good("1.png", "A", "train"), good("2.png", "A", "test"), good("3.png", "B", "train")]
    with pytest.raises(
        IadError, match=r"group 'A' lies in train \(1\.png\) and in test \(2\.png\); move all of it to one"
    ):
        draw_split(pictures, 0.7, seed=0)
    with pytest.raises(IadError, match="calibration"):
        draw_split([replace(pictures[0], split="calibration"), *pictures[1:]], 0.7, seed=0)


@pytest.mark.parametrize("side", ["train", "test"])
def test_groups_that_leave_a_side_empty_are_refused(side):
    pictures = [good("1.png", "A"), good("2.png", "A")] + ([bad("3.png", "A")] if side == "train" else [])
    with pytest.raises(IadError, match=f"1 group leaves nothing to {side}"):
        draw_split(pictures, 0.7, seed=0)


PARTS = ["good/S1/a.png", "good/S1/b.png", "good/S2/a.png", "good/S2/b.png", "bad/cut/S3/a.png"]


@pytest.mark.parametrize(
    ("groups", "of"),
    [
        ("folder:2", ["good/S1", "good/S1", "good/S2", "good/S2", "bad/cut"]),
        ("folder:-1", ["good/S1", "good/S1", "good/S2", "good/S2", "bad/cut/S3"]),
        (r"name:(S\d)/", ["S1", "S1", "S2", "S2", "S3"]),
        ("table:g.csv", ["x", "x", "x", "", ""]),
    ],
)
def test_a_group_is_a_folder_a_part_of_the_name_or_a_row_of_a_table(groups, of):
    files = dict.fromkeys(PARTS) | {"g.csv": "path,group\n" + "".join(f"{name},x\n" for name in PARTS[:3])}
    found = facts(read(files, groups=groups))
    assert [found[name][4] for name in PARTS] == of
    assert found[PARTS[0]][0] == found[PARTS[1]][0]


def test_a_column_is_a_group_where_it_is_named():
    text = "path,label,shift,serial\na.png,ok,1,7\nb.png,ok,1,8\nc.png,ok,2,9\n"
    files = dict.fromkeys(["a.png", "b.png", "c.png"]) | {"t.csv": text}
    assert [fact[4] for fact in facts(read(files)).values()] == ["7", "8", "9"]
    assert [fact[4] for fact in facts(read(files, groups="column:shift")).values()] == ["1", "1", "2"]


BAD = {
    "folder:x": "data.folder.groups = folder:x: 'x' is no number",
    "folder:9": "bad/cut/S3/a.png: lies in 3 folders, and data.folder.groups = folder:9 asks for another",
    "folder:0": "bad/cut/S3/a.png: lies in 3 folders",
    "name:(": "data.folder.groups = name:(: no regular expression",
    "name:good": "data.folder.groups = name:good: has no group; put round brackets",
    "name:good/(S.)": "data.folder.groups = name:good/(S.) matches nothing in 1 path (bad/cut/S3/a.png)",
    "table:none.csv": "/none.csv: there is no such table",
    "table:g.csv": "data.folder.groups: 1 path of the table are no pictures here (z.png)",
    "column:x": "data.folder.groups = column:x: data/x is read as plain, which has no table",
    "serial": "data.folder.groups = serial: none of column:NAME, folder:NUMBER, name:PATTERN or table:FILE",
}


@pytest.mark.parametrize(("groups", "told"), BAD.items(), ids=BAD)
def test_what_is_no_group_is_refused(groups, told):
    files = dict.fromkeys(PARTS) | {"g.csv": "path,group\nz.png,1\n"}
    assert refusal(files, groups=groups).startswith(told)


def test_a_column_that_is_not_there_is_refused_with_those_that_are():
    files = {"a.png": None, "b.png": None, "t.csv": "path,label\na.png,ok\nb.png,ok\n"}
    assert refusal(files, groups="column:serial") == (
        "/t.csv: no column 'serial' (data.folder.groups); it has path, label"
    )


@pytest.mark.parametrize("group", ["", "S1"])
def test_the_manifest_has_a_column_of_groups_only_where_there_are_any(tmp_path, group):
    pictures = [
        Picture(f"{row}.png", split, 0, "good", lambda row=row: png([[row]]), group=group)
        for row, split in enumerate(["train", "test"])
    ]
    path = tmp_path / "m.parquet"
    write_originals(pictures, tmp_path / "i.zip", path, max_megapixels=1, allow_shared=False)
    assert ("group" in read_manifest(path)) is bool(group)
