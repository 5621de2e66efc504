"""Groups: pictures of one part, serial number, batch or series, which belong on one side of a split.

Two pictures of one part, one learnt from and one for testing, make a method look better than it is.
`data.folder.groups` says what a group is; the split draws whole groups, and a group with a defective picture is for
testing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from iad.data.manifest import Label, Picture, split_good
from iad.errors import IadError
from iad.words import counted, named

OPTION = "data.folder.groups"
FORMS = "column:NAME, folder:NUMBER, name:PATTERN or table:FILE"


def in_folder(pictures: Sequence[Picture], number: str) -> list[Picture]:
    """Group pictures by one of the folders that they lie in, with those around it.

    Args:
        pictures: Any.
        number: Which folder: 1 is the first of the path, -1 the one in which the picture lies.

    Raises:
        IadError: if that is no number, or a picture lies in fewer folders.

    >>> [one.group for one in in_folder([Picture("good/S7/1.png", "", 0, "good", bytes)], "2")]
    ['good/S7']
    """
    try:
        level = int(number)
    except ValueError:
        raise IadError(
            f"{OPTION} = folder:{number}: '{number}' is no number; 1 is the first folder of a path"
        ) from None
    found = []
    for picture in pictures:
        folders = PurePosixPath(picture.image_id).parts[:-1]
        if not level or abs(level) > len(folders):
            raise IadError(
                f"{picture.image_id}: lies in {counted(len(folders), 'folder')}, and {OPTION} = folder:{number} asks "
                "for another; correct one of the two"
            )
        last = level if level > 0 else len(folders) + level + 1
        found.append(replace(picture, group="/".join(folders[:last])))
    return found


def by_name(pictures: Sequence[Picture], pattern: str) -> list[Picture]:
    """Group pictures by what a pattern finds in their paths: its first group.

    Raises:
        IadError: if it is no pattern, has no group, or does not match a picture.

    >>> [one.group for one in by_name([Picture("good/A17_2.png", "", 0, "good", bytes)], r"/([^/_]+)_")]
    ['A17']
    """
    import re

    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise IadError(f"{OPTION} = name:{pattern}: no regular expression ({error}); correct it") from None
    if compiled.groups < 1:
        raise IadError(f"{OPTION} = name:{pattern}: has no group; put round brackets around what names the part")
    matches = [(picture, compiled.search(picture.image_id)) for picture in pictures]
    if bare := [picture.image_id for picture, match in matches if not match or not match[1]]:
        raise IadError(
            f"{OPTION} = name:{pattern} matches nothing in {counted(len(bare), 'path')} ({named(bare, most=2)}); "
            "correct the pattern or the names"
        )
    return [replace(picture, group=match[1]) for picture, match in matches if match]


def by_table(pictures: Sequence[Picture], groups: Mapping[str, str]) -> list[Picture]:
    """Group pictures by a table; one that is not in it is alone.

    Args:
        pictures: Any.
        groups: The group of each picture, by its path.

    Raises:
        IadError: if the table names a picture that is not there.

    >>> pictures = [Picture(name, "", 0, "good", bytes) for name in ("1.png", "2.png")]
    >>> [one.group for one in by_table(pictures, {"1.png": "A"})]
    ['A', '']
    """
    if unknown := sorted(set(groups) - {picture.image_id for picture in pictures}):
        raise IadError(
            f"{OPTION}: {counted(len(unknown), 'path')} of the table are no pictures here ({named(unknown, most=2)}); "
            "correct the table"
        )
    return [replace(picture, group=groups.get(picture.image_id, "")) for picture in pictures]


def draw_split(pictures: Sequence[Picture], train_share: float, seed: int) -> list[Picture]:
    """Draw the split of those pictures that have none, by whole groups.

    A good picture whose group is on a side already, by a defective picture or by a split of its own, joins that side.
    Of the others a share trains and the rest is for testing: pictures where there are no groups, groups otherwise,
    taken in a drawn order while another one brings the share of the pictures nearer to `train_share`.

    Args:
        pictures: Any; `split` is empty where it has to be drawn.
        train_share: Share of the good pictures to draw from that trains.
        seed: The same seed and pictures give the same split.

    Raises:
        IadError: if a group lies on two sides, or a side is left empty.

    >>> names = ["A/1.png", "A/2.png", "B/1.png", "B/2.png", "C/1.png"]
    >>> pictures = [Picture(name, "", 0, "good", bytes, group=name[0]) for name in names]
    >>> split = [one.split for one in draw_split(pictures, 0.6, seed=0)]
    >>> split[0] == split[1], split[2] == split[3], {*split} == {"train", "test"}
    (True, True, True)
    """
    placed = [replace(one, split="test") if not one.split and one.label != Label.NORMAL else one for one in pictures]
    sides = _sides(placed)
    placed = [replace(one, split=sides[one.group]) if not one.split and one.group in sides else one for one in placed]
    waiting = [one for one in placed if not one.split]
    if any(one.group for one in waiting):
        drawn = _draw_groups(waiting, train_share, seed)
    else:
        drawn = split_good([one.image_id for one in waiting], train_share, seed)
    split = [one if one.split else replace(one, split=drawn[one.image_id]) for one in placed]
    if len(split) > 1 and any(one.group for one in split):
        _check_sides(split)
    return split


def _sides(pictures: Sequence[Picture]) -> dict[str, str]:
    """The split of each group that has one; refused where it has two."""
    found: dict[str, Picture] = {}
    for picture in pictures:
        if not picture.group or not picture.split:
            continue
        first = found.setdefault(picture.group, picture)
        if first.split != picture.split:
            raise IadError(
                f"group '{picture.group}' lies in {first.split} ({first.image_id}) and in {picture.split} "
                f"({picture.image_id}); move all of it to one, or leave the split to be drawn"
            )
    return {group: picture.split for group, picture in found.items()}


def _draw_groups(pictures: Sequence[Picture], train_share: float, seed: int) -> dict[str, str]:
    members: dict[str, list[str]] = defaultdict(list)
    for picture in pictures:
        members[picture.group or f"\0{picture.image_id}"].append(picture.image_id)
    names = sorted(members)
    wanted, taken = train_share * len(pictures), 0
    split = dict.fromkeys((picture.image_id for picture in pictures), "test")
    for row in np.random.default_rng(seed).permutation(len(names)):
        group = members[names[row]]
        if taken and abs(taken + len(group) - wanted) >= abs(taken - wanted):
            continue
        taken += len(group)
        split |= dict.fromkeys(group, "train")
    return split


def _check_sides(pictures: Sequence[Picture]) -> None:
    sides = {picture.split for picture in pictures}
    if missing := [side for side in ("train", "test") if side not in sides]:
        groups = {picture.group for picture in pictures}
        raise IadError(
            f"{OPTION}: {counted(len(groups), 'group leaves', 'groups leave')} nothing to {missing[0]}, since a group "
            "stays whole and one with a defective picture is for testing; make groups smaller, or add good parts"
        )
