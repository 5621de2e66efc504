"""Rows of a list of pictures: each with its path, what it says of the picture, and where it stands, for refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING
from unicodedata import normalize

from iad.data.labels import reads_as_bad, reads_as_good
from iad.data.layouts.common.base import TO_BE_DRAWN, Reading, Tree, picture_of
from iad.data.layouts.common.folders import SPLIT_WORDS, check_complete
from iad.data.layouts.common.matching import MASK_FOLDERS, told_masks
from iad.data.manifest import GOOD
from iad.errors import IadError
from iad.words import counted, named

if TYPE_CHECKING:
    from iad.data.layouts.common.base import Read
    from iad.data.manifest import Picture


@dataclass(frozen=True)
class Row:
    """One picture of a list.

    Attributes:
        where: What a refusal calls the row, such as "labels.csv, line 3".
        image_id: The picture, by its path in the folder; there is such a file.
        kind: "good", or the kind of defect.
        split: One of `SPLITS`, or `TO_BE_DRAWN`.
        mask: Name of its mask.
        read_mask: What reads the mask, where it is no file of the folder.
        group: Its group; empty: none.
    """

    where: str
    image_id: str
    kind: str
    split: str = TO_BE_DRAWN
    mask: str | None = None
    read_mask: Read | None = None
    group: str = ""


def read_rows(tree: Tree, rows: Sequence[Row], used: Sequence[str], *, unlisted: bool = True) -> Reading:
    """The pictures of a list, checked.

    Defective pictures of training or validation count as test, since only good ones are learnt from; a note says so.

    Args:
        tree: The folder.
        rows: Of the list.
        used: The files that were read for it.
        unlisted: Whether a note tells of pictures that are in no row.

    Raises:
        IadError: if two rows name one picture, or only some have a split.
    """
    if not rows:
        raise IadError(
            f"{tree.place}: {' and '.join(used)} lists no pictures; correct it"
            if used
            else f"{tree.place}: nothing in it lists pictures; correct data.folder.layout, or set it to auto"
        )
    _check_rows(tree, rows)
    moved = [row for row in rows if row.kind != GOOD and row.split not in ("test", TO_BE_DRAWN)]
    pictures = [_picture(tree, row) for row in rows]
    check_complete(
        tree, pictures, "list good ones for train", "list good ones (two or more) or defective ones for test"
    )
    notes = []
    if moved:
        many = counted(len(moved), "defective picture is", "defective pictures are")
        notes.append(f"{many} listed for {moved[0].split} and count as test: only good ones are learnt from")
    if unlisted and (extra := _unlisted(tree, rows)):
        notes.append(f"{counted(len(extra), 'picture')} in no row left out: {named(extra)}")
    masked = {picture.image_id: picture.mask for picture in pictures if picture.mask}
    return Reading(pictures, [*notes, *told_masks(pictures, masked)], frozenset(used))


def find_file(tree: Tree, where: str, path: str, beside: str, *, what: str = "picture") -> str:
    """The file that a row names, by its name in the folder.

    Args:
        tree: The folder.
        where: What a refusal calls the row.
        path: As the row has it; relative to the folder, or to that of the list.
        beside: The folder of the list, posix, empty for the top.
        what: The path is of.

    Raises:
        IadError: if it is empty, leads out of the folder, or there is no such file.
    """
    if not path:
        raise IadError(f"{where}: names no {what}; give its path")
    parts = PureWindowsPath(normalize("NFC", path)) if "\\" in path else PurePosixPath(normalize("NFC", path))
    if parts.is_absolute() or parts.drive or ".." in parts.parts:
        raise IadError(f"{where}: {path} leads out of the folder; give paths below {tree.place}")
    name = parts.as_posix()
    for candidate in (f"{beside}/{name}" if beside else name, name):
        if candidate in tree.pictures:
            return candidate
    raise IadError(f"{where}: there is no {what} {tree.place}/{name}; correct the path, or copy it there")


def kind_of(where: str, label: str, kind: str = "") -> str:
    """The kind of defect that a row tells, or "good".

    Args:
        where: What a refusal calls the row.
        label: A word such as "ok" or "NG"; empty where only the kind tells.
        kind: The kind of defect; empty where nobody says, or for a good picture.

    Raises:
        IadError: if the label is none that is known, or contradicts the kind.

    >>> kind_of("row 1", "OK"), kind_of("row 2", "NG", "scratch"), kind_of("row 3", "bad"), kind_of("row 4", "", "hole")
    ('good', 'scratch', 'bad', 'hole')
    """
    good = reads_as_good(label) if label else not kind or reads_as_good(kind)
    if label and not good and not reads_as_bad(label):
        raise IadError(
            f"{where}: '{label}' says neither good nor defective; write good or bad, and a kind of defect apart from it"
        )
    if good and kind and not reads_as_good(kind):
        raise IadError(f"{where}: called good ('{label}') and defective ('{kind}'); correct one of them")
    if not good and kind and reads_as_good(kind):
        raise IadError(f"{where}: called defective ('{label}') and good ('{kind}'); correct one of them")
    return GOOD if good else kind or label


def split_of(where: str, word: str) -> str:
    """The split that a word means.

    Raises:
        IadError: if it means none.

    >>> split_of("row 1", "Training"), split_of("row 2", "val"), split_of("row 3", "")
    ('train', 'calibration', '')
    """
    if not word:
        return TO_BE_DRAWN
    if word.lower() not in SPLIT_WORDS:
        raise IadError(f"{where}: split '{word}' is none of {', '.join(SPLIT_WORDS)}; correct it")
    return SPLIT_WORDS[word.lower()]


def _check_rows(tree: Tree, rows: Sequence[Row]) -> None:
    first: dict[str, str] = {}
    for row in rows:
        if row.image_id in first:
            raise IadError(
                f"{tree.place}/{row.where}: {row.image_id} again, after {first[row.image_id]}; delete one of the rows"
            )
        first[row.image_id] = row.where
    without = [row for row in rows if row.split == TO_BE_DRAWN]
    if without and len(without) < len(rows):
        raise IadError(
            f"{tree.place}/{without[0].where}: no split, which other rows have; give one to each row or to none"
        )


def _picture(tree: Tree, row: Row) -> Picture:
    split = row.split if row.kind == GOOD else "test"
    return picture_of(
        tree, row.image_id, split, row.kind, mask=row.mask, read_mask=row.read_mask, group=row.group
    )  # fmt: skip


def _unlisted(tree: Tree, rows: Sequence[Row]) -> list[str]:
    listed = {row.image_id for row in rows} | {row.mask for row in rows}
    return [
        name
        for name in tree.pictures
        if name not in listed and not any(part.lower() in MASK_FOLDERS for part in PurePosixPath(name).parts)
    ]
