"""What every layout is given and gives back: a folder as names, and pictures with split, label, kind, mask and group.

A layout is a module beside this file with the names of the protocol `Layout`; `iad.data.layouts` finds it by its file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from iad.data.manifest import GOOD, Label, Picture
from iad.errors import IadError
from iad.words import named

Read: TypeAlias = Callable[[], bytes]
"""What reads a file whole."""

TO_BE_DRAWN = ""
"""The split of a picture where the layout has none: drawn later, by seed."""

MASK_ENDING = "_mask"


@dataclass(frozen=True)
class Tree:
    """A folder of pictures as a layout sees it; nothing is read yet.

    Attributes:
        place: What a refusal calls it: where it lies.
        pictures: What reads each picture and each mask, by its path below the folder, sorted.
        others: The same of all other files: tables, annotations.
    """

    place: str
    pictures: Mapping[str, Read]
    others: Mapping[str, Read] = field(default_factory=dict)

    def tops(self) -> list[str]:
        """Names of the folders at the top that hold pictures, sorted.

        >>> Tree("data/x", {"good/1.png": bytes, "bad/cut/2.png": bytes, "3.png": bytes}).tops()
        ['bad', 'good']
        """
        return sorted({name.partition("/")[0] for name in self.pictures if "/" in name})

    def text(self, name: str) -> str:
        """The text of one of the other files.

        Raises:
            IadError: if it is not there, or not UTF-8.

        >>> Tree("data/x", {}, {"labels.csv": lambda: b"path,label"}).text("labels.csv")
        'path,label'
        """
        if name not in self.others:
            raise IadError(
                f"{self.place}/{name}: there is no such file; correct data.folder.table or data.folder.layout"
            )
        try:
            return self.others[name]().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise IadError(f"{self.place}/{name}: not UTF-8 text; save it as UTF-8") from None

    def json(self, name: str) -> Any:
        """What one of the other files holds as JSON.

        Raises:
            IadError: if it is cut short, or no JSON.

        >>> Tree("data/x", {}, {"a.json": lambda: b'{"items": ['}).json("a.json")
        Traceback (most recent call last):
        iad.errors.IadError: data/x/a.json: cut short or not JSON (line 1: Expecting value); copy it again
        """
        try:
            return json.loads(self.text(name))
        except json.JSONDecodeError as error:
            reason = f"line {error.lineno}: {error.msg}"
            raise IadError(f"{self.place}/{name}: cut short or not JSON ({reason}); copy it again") from None
        except RecursionError:
            raise IadError(f"{self.place}/{name}: nested too deep to be a list of pictures; copy it again") from None


@dataclass(frozen=True)
class Named:
    """What a user names where looking at the folder leaves more than one reading.

    Attributes:
        product: Which product of a folder of several.
        table: The table, list or manifest, by its path below the folder.
        names: A regular expression on a picture's path with the groups `good` and `bad`.
        group_column: The column of a table that tells the group.
    """

    product: str | None = None
    table: str | None = None
    names: str | None = None
    group_column: str | None = None


@dataclass(frozen=True)
class Reading:
    """What a layout reads of a folder.

    Attributes:
        pictures: All of them; `split` is empty where it has to be drawn.
        notes: What was understood, a sentence each.
        used: Names of the other files that were read.
    """

    pictures: list[Picture]
    notes: list[str] = field(default_factory=list)
    used: frozenset[str] = frozenset()


class Layout(Protocol):
    """A module of this folder.

    Attributes:
        TITLE: What people call the layout.
        SPECIAL_OF: Layouts that also recognise such a folder, since this one is a special form of theirs.
        USES: The fields of `Named` that it reads.
    """

    TITLE: str
    SPECIAL_OF: tuple[str, ...]
    USES: tuple[str, ...]

    def recognises(self, tree: Tree, named: Named) -> bool:
        """Whether the folder looks like this, by names and the first lines of tables."""

    def read(self, tree: Tree, named: Named) -> Reading:
        """Its pictures; raises IadError naming what is out of place."""


def picture_of(
    tree: Tree, name: str, split: str, kind: str, *, mask: str | None = None, read_mask: Read | None = None,
    group: str = "",
) -> Picture:  # fmt: skip
    """A picture of the folder by its name; a good one has no mask.

    Args:
        tree: The folder.
        name: Of the picture in it.
        split: One of `SPLITS`, or `TO_BE_DRAWN`.
        kind: "good", or the kind of defect.
        mask: Name of its mask.
        read_mask: What reads the mask, where it is no file of the folder.
        group: What it has in common with others that must stay on its side of the split; empty: nothing.

    Raises:
        IadError: if the kind cannot be shown.
    """
    if not kind.isprintable():
        raise IadError(
            f"{tree.place}/{name}: its kind of defect, {kind!r}, has characters that cannot be shown; rename it"
        )
    good = kind == GOOD
    mask = None if good else mask
    return Picture(
        image_id=name,
        split=split,
        label=Label.NORMAL if good else Label.ANOMALOUS,
        defect=kind,
        read=tree.pictures[name],
        mask=mask,
        read_mask=None if mask is None else read_mask or tree.pictures[mask],
        group=group,
    )


def one_of(tree: Tree, what: str, found: Iterable[str], option: str) -> str:
    """The only one of several names.

    Raises:
        IadError: if there is none, or there are more, naming the option that decides.
    """
    names = sorted(found)
    if len(names) == 1:
        return names[0]
    if not names:
        raise IadError(f"{tree.place}: holds no {what}; correct data.folder.layout, or set it to auto")
    raise IadError(f"{tree.place}: holds {len(names)} {what} ({named(names)}); name one with data.folder.{option}")


def chosen(tree: Tree, what: str, known: Iterable[str], wanted: str | None, option: str) -> str:
    """What the user named, or the only one.

    Raises:
        IadError: if it is not there, or there are more and none was named.
    """
    names = sorted(known)
    if wanted is None:
        return one_of(tree, what, names, option)
    if wanted not in names:
        raise IadError(
            f"{tree.place}: data.folder.{option} = {wanted} is none of its {what} "
            f"({named(names) or 'there are none'}); correct it"
        )
    return wanted
