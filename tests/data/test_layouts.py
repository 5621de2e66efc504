"""Split, label, defect and mask of a picture follow from where it lies; what lies elsewhere is refused.

Files hold their own path, so that reading one shows which file it was. Nothing is decoded here.
"""

import pytest

from iad.data.layouts import Choice, read_layout, tree_of, understand
from iad.errors import IadError

MVTEC = ["train/good/1.png", "test/good/2.png", "test/hole/3.png"]
PLAIN = ["good/1.png", "good/2.png", "bad/3.png"]


def lay_out(folder, names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def read(folder, names, share=0.5, seed=0):
    lay_out(folder, names)
    return {picture.image_id: picture for picture in read_layout(folder, train_share=share, seed=seed)}


def facts(pictures):
    return {name: (p.split, int(p.label), p.defect, p.mask) for name, p in pictures.items()}


def refusal(folder, names):
    with pytest.raises(IadError) as caught:
        read(folder, names)
    line = str(caught.value)
    assert line.startswith(str(folder))
    return line.removeprefix(str(folder))


def test_mvtec_layout_brings_its_own_split(tmp_path):
    names = [*MVTEC, "calibration/good/4.png", "train/good/camera 2/5.png", "test/hole/deep/er/6.jpg"]
    assert facts(read(tmp_path, names)) == {
        "train/good/1.png": ("train", 0, "good", None),
        "train/good/camera 2/5.png": ("train", 0, "good", None),
        "calibration/good/4.png": ("calibration", 0, "good", None),
        "test/good/2.png": ("test", 0, "good", None),
        "test/hole/3.png": ("test", 1, "hole", None),
        "test/hole/deep/er/6.jpg": ("test", 1, "hole", None),
    }


def test_the_mvtec_reader_gives_the_same_pictures(tmp_path):
    expected = facts(read(tmp_path, MVTEC))
    assert facts({p.image_id: p for p in understand(tree_of(tmp_path), Choice(layout="mvtec")).pictures}) == expected


def test_a_plain_folder_is_split_by_seed_and_names_defects_after_folders(tmp_path):
    names = [*(f"good/{i:02d}.png" for i in range(20)), "good/shift 2/x.png", "bad/a.png", "bad/cut/b.png"]
    pictures = facts(read(tmp_path, names, share=0.7))
    assert pictures["bad/a.png"] == ("test", 1, "bad", None)
    assert pictures["bad/cut/b.png"] == ("test", 1, "cut", None)
    good = {name: split for name, (split, label, defect, _) in pictures.items() if (label, defect) == (0, "good")}
    assert len(good) == 21
    assert list(good.values()).count("train") == 14  # 70 % of 21, rounded down
    assert facts(read(tmp_path, [], share=0.7)) == pictures
    assert facts(read(tmp_path, [], share=0.7, seed=1)) != pictures


def test_only_good_pictures_are_accepted_if_some_are_left_for_testing(tmp_path):
    assert {p.split for p in read(tmp_path, ["good/1.png", "good/2.png"]).values()} == {"train", "test"}


@pytest.mark.parametrize("mask", ["ground_truth/hole/3_mask.png", "ground_truth/hole/3.png", "ground_truth/hole/3.bmp"])
def test_a_mask_is_found_by_its_name(tmp_path, mask):
    picture = read(tmp_path, [*MVTEC, mask])["test/hole/3.png"]
    assert picture.mask == mask
    assert picture.read_mask().decode() == mask
    assert picture.read().decode() == "test/hole/3.png"


def test_pictures_with_one_name_in_several_folders_keep_their_own_masks(tmp_path):
    names = ["train/good/0.png", "test/cut/0.png", "test/cut/x/0.png", "test/hole/0.png"]
    masks = ["ground_truth/cut/0_mask.png", "ground_truth/cut/x/0_mask.png", "ground_truth/hole/0_mask.png"]
    pictures = read(tmp_path, names + masks)
    assert [pictures[name].mask for name in names] == [None, *masks]


def test_a_plain_folder_may_have_masks_too(tmp_path):
    names = [*PLAIN, "bad/cut/4.png", "ground_truth/3_mask.png", "ground_truth/cut/4_mask.png"]
    pictures = read(tmp_path, names)
    assert pictures["bad/3.png"].mask == "ground_truth/3_mask.png"
    assert pictures["bad/cut/4.png"].mask == "ground_truth/cut/4_mask.png"


@pytest.mark.parametrize(
    ("picture", "mask"),
    [
        ("bad/4.png", "ground_truth/bad/4_mask.png"),  # as the docs give it: the defect of bad/4.png is called "bad"
        ("bad/4.png", "ground_truth/bad/4.bmp"),
        ("bad/cut/4.png", "ground_truth/bad/cut/4_mask.png"),
        ("bad/cut/4.png", "ground_truth/cut/4_mask.png"),
    ],
)
def test_masks_of_a_plain_folder_lie_below_bad_or_not(tmp_path, picture, mask):
    pictures = read(tmp_path, [*PLAIN, "ground_truth/bad/3_mask.png", picture, mask])
    assert pictures["bad/3.png"].mask == "ground_truth/bad/3_mask.png"
    assert pictures[picture].mask == mask
    assert pictures[picture].read_mask().decode() == mask


@pytest.mark.parametrize(
    ("first", "second", "mask"),
    [
        ("bad/3.png", "bad/bad/3.png", "ground_truth/bad/3_mask.png"),
        ("bad/cut/4.bmp", "bad/cut/4.png", "ground_truth/cut/4_mask.png"),
    ],
)
def test_a_mask_that_may_be_of_two_pictures_is_refused_with_both(tmp_path, first, second, mask):
    line = refusal(tmp_path, [*PLAIN, first, second, mask])
    assert line == f"/{mask}: a mask of {first} or of {second}; rename one of the two pictures"


def test_masks_of_good_pictures_are_passed_over(tmp_path):
    pictures = read(tmp_path, [*MVTEC, "ground_truth/hole/3_mask.png", "ground_truth/good/2_mask.png"])
    assert pictures["test/good/2.png"].mask is None


@pytest.mark.parametrize("mask", ["ground_truth/hole/4_mask.png", "ground_truth/hloe/3_mask.png", "ground_truth/3.png"])
def test_a_mask_without_a_picture_is_refused_by_name(tmp_path, mask):
    assert refusal(tmp_path, [*MVTEC, mask]).startswith(f"/{mask}: a mask without a picture")


def test_pictures_without_a_mask_beside_others_are_accepted_counted_and_told(tmp_path):
    names = [*MVTEC, "test/hole/4.png", "test/cut/5.png", "ground_truth/hole/4_mask.png"]
    pictures = read(tmp_path, names)
    assert {name: picture.mask for name, picture in pictures.items() if picture.label} == {
        "test/hole/3.png": None, "test/hole/4.png": "ground_truth/hole/4_mask.png", "test/cut/5.png": None,
    }  # fmt: skip
    told = "2 of 3 defective pictures have no mask, such as test/cut/5.png; pixel metrics leave them out"
    assert understand(tree_of(tmp_path), Choice()).notes == [told]


def test_nothing_is_noted_where_all_have_masks_or_none_has(tmp_path):
    lay_out(tmp_path / "none", MVTEC)
    lay_out(tmp_path / "all", [*MVTEC, "ground_truth/hole/3_mask.png"])
    assert [understand(tree_of(tmp_path / name), Choice()).notes for name in ("none", "all")] == [[], []]


def test_two_masks_of_one_picture_are_refused(tmp_path):
    line = refusal(tmp_path, [*MVTEC, "ground_truth/hole/3_mask.png", "ground_truth/hole/3.bmp"])
    assert "ground_truth/hole/3.bmp" in line
    assert "ground_truth/hole/3_mask.png" in line


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], ": holds no pictures"),
        (["notes.txt"], ": holds no pictures"),
        (["a.png", "b.png"], "/a.png: out of place"),
        (["Good/a.png"], ": no test pictures"),
        ([*MVTEC, "test/4.png"], "/test/4.png: out of place"),
        ([*MVTEC, "tset/good/4.png"], "/tset/good/4.png: out of place"),
        ([*MVTEC, "good/4.png"], "/good/4.png: out of place"),
        ([*MVTEC, "train/hole/4.png"], "/train/hole/4.png: train may hold good pictures only"),
        ([*MVTEC, "calibration/hole/4.png"], "/calibration/hole/4.png: calibration may hold good pictures only"),
        (["test/good/1.png", "test/hole/2.png"], ": no good pictures to train on"),
        (["bad/1.png"], ": no good pictures to train on"),
        (["train/good/1.png"], ": no test pictures"),
        (["good/1.png"], ": no test pictures"),
        ([*PLAIN, "bad/good/4.png"], "/bad/good: reads as good pictures"),
        ([*PLAIN, "bad/Good/4.png"], "/bad/Good: reads as good pictures"),
        ([*PLAIN, "bad/scratch/OK-parts/4.png"], "/bad/scratch/OK-parts: reads as good pictures"),
        ([*MVTEC, "test/ok/4.png"], "/test/ok: reads as good pictures"),
        ([*MVTEC, "train/ok/4.png"], "/train/ok: reads as good pictures"),
        ([*PLAIN, "good/NG/4.png"], "/good/NG: reads as defective pictures, but lies among the good ones"),
        ([*MVTEC, "train/good/camera 1/bad/4.png"], "/train/good/camera 1/bad: reads as defective pictures"),
        (["OK/1.png", "good/2.png", "bad/3.png"], "/OK/1.png: out of place"),
    ],
)
def test_what_cannot_be_a_data_set_is_refused_with_its_place(tmp_path, names, told):
    assert refusal(tmp_path, names).startswith(told)


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        ([*PLAIN, "bad/Good/4.png"], "/good"),
        ([*MVTEC, "train/ok/4.png"], "/train/good"),
        ([*MVTEC, "calibration/good/3.png", "calibration/Gut/4.png"], "/calibration/good"),
        ([*MVTEC, "test/良品/4.png"], "/test/good"),
    ],
)
def test_done_as_told_a_folder_that_reads_as_good_holds_good_pictures(tmp_path, names, advice):
    line = refusal(tmp_path, names)
    assert f"only those in {tmp_path}{advice} count as good" in line
    assert "test/ok" not in line
    *_, stray = names
    (tmp_path / advice[1:]).mkdir(parents=True, exist_ok=True)
    (tmp_path / stray).rename(tmp_path / advice[1:] / "moved.png")
    assert facts(read(tmp_path, names[:-1]))[f"{advice[1:]}/moved.png"][1:3] == (0, "good")


def test_a_second_folder_that_reads_as_good_is_told_where_its_pictures_belong(tmp_path):
    line = refusal(tmp_path, ["OK/1.png", "good/1.png", "bad/2.png"])
    assert line.endswith("'OK' reads as good too: put its pictures there")


def test_kinds_of_defect_and_cameras_keep_their_names(tmp_path):
    names = [
        "good/camera 1/1.png",
        "good/shift 2/2.png",
        "bad/not_good/3.png",
        "bad/bad/4.png",
        "bad/good_bits/5.png",
    ]
    assert {name: facts[2] for name, facts in facts(read(tmp_path, names)).items() if facts[1]} == {
        "bad/not_good/3.png": "not_good", "bad/bad/4.png": "bad", "bad/good_bits/5.png": "good_bits",
    }  # fmt: skip
