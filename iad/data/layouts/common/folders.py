"""What layouts of folders have in common: which folder is good, names that contradict their place, and masks.

A label follows from a folder's name, so a name that says the opposite of the place where it lies is refused, in any of
the languages of `iad.data.labels`: `bad/Good`, `good/NG`. Two folders that both read as the good one are refused too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from iad.data.labels import reads_as_bad, reads_as_good
from iad.data.layouts.common.base import Reading, Tree, picture_of
from iad.data.layouts.common.masks import joined
from iad.data.layouts.common.matching import (
    MASK_FOLDERS,
    Join,
    below_top,
    find_masks,
    mask_of,
    refuse_masks_beside,
    told_masks,
)
from iad.data.manifest import GOOD, Label, Picture
from iad.errors import IadError
from iad.words import counted

SPLIT_WORDS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "test_public": "test",
    "calibration": "calibration", "calib": "calibration", "validation": "calibration", "valid": "calibration",
    "val": "calibration", "dev": "calibration",
}  # fmt: skip
"""Which split a word means; pictures for validation are good ones that are not learnt from, as a threshold needs."""


def split_folders(tree: Tree) -> dict[str, str]:
    """The split of each folder at the top that is called like one, in any case.

    Raises:
        IadError: if two folders mean one split.

    >>> split_folders(Tree("data/x", {"Train/OK/1.png": bytes, "val/ok/2.png": bytes, "notes/3.png": bytes}))
    {'Train': 'train', 'val': 'calibration'}
    """
    found = {top: SPLIT_WORDS[top.lower()] for top in tree.tops() if top.lower() in SPLIT_WORDS}
    _refuse_twins(tree, found)
    return found


def mask_folder(tree: Tree) -> str | None:
    """The folder of masks at the top, if there is one.

    Raises:
        IadError: if there are two.
    """
    found = [top for top in tree.tops() if top.lower() in MASK_FOLDERS]
    if len(found) > 1:
        raise IadError(f"{tree.place}: {found[0]} and {found[1]} both read as the folder of masks; put all into one")
    return found[0] if found else None


def good_folder(place: str, names: Iterable[str]) -> str | None:
    """Which of the folders side by side holds good pictures: `good` if there, else the one that reads so.

    Raises:
        IadError: if several do and none is called `good`.

    >>> good_folder("data/x/test", ["ko", "OK"]), good_folder("data/x/test", ["scratch"])
    ('OK', None)
    """
    found = sorted({name for name in names if reads_as_good(name)})
    if GOOD in found:
        return GOOD
    if len(found) > 1:
        raise IadError(f"{place}: {found[0]} and {found[1]} both read as good pictures; put all into one of them")
    return found[0] if found else None


def check_names(
    tree: Tree, image_id: str, below: str, good: str, defects: str, *, is_good: bool
) -> None:  # fmt: skip
    """Refuse a folder whose name says the opposite of where it lies.

    Args:
        tree: of the data set.
        image_id: a picture, by its path in it.
        below: the end of that path that begins with the folder that gives the label.
        is_good: whether it counts as good there.
        good: where good pictures of this split belong.
        defects: where defective ones belong.

    Raises:
        IadError: naming the folder.
    """
    parts = PurePosixPath(below).parts[:-1]
    reads = reads_as_bad if is_good else reads_as_good
    found = next((place for place, name in enumerate(parts[is_good:], int(is_good)) if reads(name)), None)
    if found is None:
        return
    path = "/".join(filter(None, [tree.place, image_id.removesuffix(below).rstrip("/"), *parts[: found + 1]]))
    if is_good:
        raise IadError(
            f"{path}: reads as defective pictures, but lies among the good ones; move it to {tree.place}/{defects}, "
            "or give it another name"
        )
    raise IadError(
        f"{path}: reads as good pictures, and only those in {tree.place}/{good} count as good here; move them there, "
        f"or, if they are defective, give it another name below {tree.place}/{defects}"
    )


def read_split_folders(
    tree: Tree, splits: Mapping[str, str], masks: str | None, *, join: Join = joined, skipped: Sequence[str] = ()
) -> Reading:
    """Read <split>/<good or kind of defect>/..., with masks in a folder of their own.

    Args:
        tree: The folder.
        splits: The split of each folder at the top.
        masks: The folder of masks, by its path.
        join: Makes one mask of the several that a picture has in a folder called like it.
        skipped: Folders at the top that are left out.

    Raises:
        IadError: naming the picture or mask that is out of place.
    """
    apart = tuple(f"{top}/" for top in (*skipped, *([masks] if masks else [])))
    names = [name for name in tree.pictures if not name.startswith(apart)]
    goods = {top: good_folder(f"{tree.place}/{top}", _kinds(names, top)) for top in splits}
    refuse_masks_beside(tree, names)
    stems: dict[str, list[str]] = {}
    for name in names:
        if name.partition("/")[0] in splits:
            stems.setdefault(below_top(name), []).append(name)
    found = find_masks(tree, masks, stems, goods.values())
    pictures = [_in_split(tree, name, splits, goods, found, join) for name in names]
    place = f"put some into {tree.place}"
    check_complete(tree, pictures, f"{place}/{_train_place(splits, goods)}", f"{place}/test/good or test/<defect>")
    notes = [*_told(splits, goods, pictures), *_told_moved(splits, pictures), *told_masks(pictures, found)]
    return Reading(pictures, notes)


def check_complete(tree: Tree, pictures: Sequence[Picture], good: str, test: str) -> None:
    """Refuse a folder without pictures to train on, or without any to test.

    Args:
        tree: The folder.
        pictures: Of the folder.
        good: What to do where none trains.
        test: What to do where none tests.

    Raises:
        IadError: saying what to do.
    """
    drawn = [picture for picture in pictures if not picture.split]
    splits = {picture.split for picture in pictures}
    if "train" not in splits and not drawn:
        raise IadError(f"{tree.place}: no good pictures to train on; {good}")
    if "test" not in splits and len(drawn) < 2:
        raise IadError(f"{tree.place}: no test pictures, so nothing could be evaluated; {test}")


def out_of_place(tree: Tree, image_id: str, allowed: str) -> IadError:
    """The refusal of a picture that lies where no label follows from."""
    top = image_id.partition("/")[0]
    reads = "good" if reads_as_good(top) else "bad" if reads_as_bad(top) else ""
    hint = f"; '{top}' reads as {reads} too: put its pictures there" if reads and "/" in image_id else ""
    return IadError(f"{tree.place}/{image_id}: out of place; pictures belong into one of {allowed}{hint}")


def _in_split(
    tree: Tree, name: str, splits: Mapping[str, str], goods: Mapping[str, str | None],
    masks: Mapping[str, Sequence[str]], join: Join,
) -> Picture:  # fmt: skip
    top, _, below = name.partition("/")
    folder = below.partition("/")[0] if "/" in below else None
    if top not in splits or folder is None:
        raise out_of_place(tree, name, "train/good, calibration/good, test/good, test/<defect>")
    good = goods[top] or GOOD
    test = next((other for other, split in splits.items() if split == "test"), "test")
    check_names(tree, name, below, f"{top}/{good}", test, is_good=folder == good)
    split = "test" if folder != good and reads_as_bad(folder) else splits[top]
    if split != "test" and folder != good:
        raise IadError(
            f"{tree.place}/{name}: {top} may hold good pictures only; move it to {test}/{folder} or {top}/{good}"
        )
    mask, read_mask = mask_of(tree, masks.get(name, ()), join)
    return picture_of(
        tree, name, split, GOOD if folder == good else folder, mask=mask, read_mask=read_mask
    )  # fmt: skip


def _refuse_twins(tree: Tree, found: Mapping[str, str]) -> None:
    for split in set(found.values()):
        twins = [top for top, one in found.items() if one == split]
        if len(twins) > 1:
            raise IadError(f"{tree.place}: {twins[0]} and {twins[1]} both read as {split}; put all into one of them")


def _kinds(names: Iterable[str], top: str) -> set[str]:
    below = (name.removeprefix(f"{top}/") for name in names if name.startswith(f"{top}/"))
    return {name.partition("/")[0] for name in below if "/" in name}


def _train_place(splits: Mapping[str, str], goods: Mapping[str, str | None]) -> str:
    top = next((top for top, split in splits.items() if split == "train"), "train")
    return f"{top}/{goods.get(top) or GOOD}"


def _told_moved(splits: Mapping[str, str], pictures: Iterable[Picture]) -> list[str]:
    tops = [one.image_id.partition("/")[0] for one in pictures if one.label == Label.ANOMALOUS]
    moved = [top for top in tops if splits[top] != "test"]
    many = counted(len(moved), "defective picture", "defective pictures")
    return [f"{many} of {moved[0]} count as test: only good ones are learnt from"] if moved else []


def _told(splits: Mapping[str, str], goods: Mapping[str, str | None], pictures: Sequence[Picture]) -> list[str]:
    told = [f"{top}/{good} counts as good" for top, good in goods.items() if good not in (None, GOOD)]
    told += [
        f"{top} sets thresholds and is not learnt from"
        for top, split in splits.items()
        if split == "calibration" and top != "calibration" and any(one.split == split for one in pictures)
    ]
    return told
