"""How pictures lie in a folder: one file per layout, which recognises its own and reads it; a new one is one file.

A folder is looked at by names and by the first lines of tables. Where two layouts recognise it, and neither is a
special form of the other, it is refused: nothing is guessed, and `data.folder.layout` names one. What was understood is
told in words.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from iad.data.groups import FORMS, OPTION, by_name, by_table, draw_split, in_folder
from iad.data.layouts.common.base import Layout, Named, Read, Tree
from iad.data.manifest import Picture
from iad.data.region import is_region
from iad.data.tree import list_files, read_bytes, tell_apart
from iad.errors import IadError, unknown
from iad.words import counted, named

AUTO = "auto"


@dataclass(frozen=True)
class Choice:
    """What the options say of a folder; their meanings are in `iad.data.sources.folder`."""

    layout: str = AUTO
    product: str | None = None
    table: str | None = None
    names: str | None = None
    groups: str | None = None
    train_share: float = 0.7
    seed: int = 0


@dataclass(frozen=True)
class Understood:
    """A folder as it was read.

    Attributes:
        layout: Name of the layout.
        title: What people call it.
        pictures: Each with its split, label, kind, mask and group.
        notes: What was understood, a sentence each.
    """

    layout: str
    title: str
    pictures: list[Picture]
    notes: list[str]


def layout_names() -> list[str]:
    """Names of all layouts: the modules beside this file.

    >>> layout_names()[:4]
    ['datumaro', 'lookout', 'mvtec', 'mvtec_ad2']
    """
    return sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.ispkg)


def tree_of(folder: Path) -> Tree:
    """The files of a folder on disk.

    Raises:
        IadError: as `iad.data.tree.tell_apart` and `list_files`.
    """
    return make_tree(str(folder), files_of(folder))


def files_of(folder: Path) -> Iterator[tuple[str, Read]]:
    """Path of each file of a folder on disk below it, and what reads it.

    Raises:
        IadError: as `list_files`.
    """
    return ((name, partial(read_bytes, path)) for name, path in list_files(folder))


def make_tree(place: str, files: Iterable[tuple[str, Read]]) -> Tree:
    """A tree of files that are listed already, but for the region of interest, which is no picture of a part.

    Args:
        place: What a refusal calls the folder.
        files: Path of each below the folder, and what reads it.

    Raises:
        IadError: as `iad.data.tree.tell_apart`.
    """
    return Tree(place, *tell_apart((one for one in files if not is_region(one[0])), place))


def understand(tree: Tree, choice: Choice) -> Understood:
    """Read a folder in the layout that it has.

    Args:
        tree: The folder.
        choice: What was named.

    Raises:
        IadError: naming what is out of place, or, where no layout or more than one fits, what to do.

    Example:
        >>> tree = Tree("data/x", {f"{name}/1.png": bytes for name in ("train/ok", "test/ok", "test/ko")})
        >>> found = understand(tree, Choice())
        >>> found.title, found.notes
        ('MVTec AD', ['test/ok counts as good', 'train/ok counts as good'])
        >>> sorted((one.image_id, one.split, one.defect) for one in found.pictures)
        [('test/ko/1.png', 'test', 'ko'), ('test/ok/1.png', 'test', 'good'), ('train/ok/1.png', 'train', 'good')]
    """
    if not tree.pictures:
        raise IadError(
            f"{tree.place}: holds no pictures; put good ones into {tree.place}/good and defective ones into "
            f"{tree.place}/bad"
        )
    kind, _, detail = (choice.groups or "").partition(":")
    name = _recognised(tree, choice)
    layout = _layout(name)
    _refuse_unread(tree, choice, name, layout)
    reading = layout.read(tree, _named(choice, detail if kind == "column" else None))
    pictures = _grouped(tree, reading.pictures, kind, detail, name) if choice.groups else reading.pictures
    pictures = draw_split(pictures, choice.train_share, choice.seed)
    notes = [*reading.notes, *_told_groups(pictures), *_passed_over(tree, {*reading.used, detail})]
    return Understood(name, layout.TITLE, pictures, notes)


def read_layout(folder: Path, *, train_share: float, seed: int) -> list[Picture]:
    """List the pictures of a folder in the layout that it has, sorted by id; nothing is decoded yet.

    Args:
        folder: Where the pictures lie.
        train_share: Share of the good pictures that trains, where the folder has no split of its own.
        seed: Of that split.

    Raises:
        IadError: as `understand`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as name:
        ...     for below in ("train/good", "test/good", "test/scratch"):
        ...         (Path(name) / below).mkdir(parents=True)
        ...         (Path(name) / below / "1.png").touch()
        ...     for picture in read_layout(Path(name), train_share=0.7, seed=0):
        ...         print(picture.image_id, picture.split, int(picture.label), picture.defect)
        test/good/1.png test 0 good
        test/scratch/1.png test 1 scratch
        train/good/1.png train 0 good
    """
    return understand(tree_of(folder), Choice(train_share=train_share, seed=seed)).pictures


def _layout(name: str) -> Layout:
    return cast(Layout, importlib.import_module(f"{__name__}.{name}"))


def _named(choice: Choice, column: str | None) -> Named:
    return Named(choice.product, choice.table, choice.names, column)


def _refuse_unread(tree: Tree, choice: Choice, name: str, layout: Layout) -> None:
    """Refuse what is named and would not be looked at, as left over from another folder."""
    for option in ("product", "table", "names"):
        value = getattr(choice, option)
        if value is not None and option not in layout.USES:
            raise IadError(
                f"data.folder.{option} = {value}: {tree.place} is read as {layout.TITLE} ({name}), which has no use "
                "for it; set it to null, or name another layout with data.folder.layout"
            )


def _recognised(tree: Tree, choice: Choice) -> str:
    """The layout that is named, or the only one that recognises the folder."""
    if choice.layout != AUTO:
        if choice.layout not in layout_names():
            raise unknown("layout", choice.layout, [AUTO, *layout_names()])
        return choice.layout
    known = {name: _layout(name) for name in layout_names()}
    found = {name: layout for name, layout in known.items() if layout.recognises(tree, _named(choice, None))}
    general = {other for layout in found.values() for other in layout.SPECIAL_OF}
    left = [name for name in found if name not in general]
    if len(left) > 1:
        reads = " and as ".join(f"{found[name].TITLE} ({name})" for name in left)
        raise IadError(f"{tree.place}: reads as {reads}; name one with data.folder.layout")
    return left[0] if left else _nearest(tree, choice)


def _nearest(tree: Tree, choice: Choice) -> str:
    """The layout whose refusal says most, where none recognises the folder."""
    from iad.data.layouts.table import tables

    if choice.table or any("/" not in name for name in tables(tree)):
        return "table"
    if deeper := _data_sets_inside(tree, choice):
        raise IadError(
            f"{tree.place}: holds {counted(len(deeper), 'data set')} ({named(deeper)}); name one, as "
            f"{tree.place}/{deeper[0]} (data.category)"
        )
    first = next(iter(tree.pictures))
    allowed = "good, bad (or, as MVTec AD has it, train/good, test/<defect>)"
    raise IadError(
        f"{tree.place}/{first}: out of place; pictures belong into one of {allowed}, or a table lists them, or "
        "data.folder.names tells them apart by their names"
    )


def _data_sets_inside(tree: Tree, choice: Choice) -> list[str]:
    """Folders at the top that some layout recognises."""
    pictures, others = _by_top(tree.pictures), _by_top(tree.others)
    inside = {top: Tree(f"{tree.place}/{top}", files, others.get(top, {})) for top, files in pictures.items()}
    layouts = [_layout(name) for name in layout_names()]
    return [top for top, one in inside.items() if any(each.recognises(one, _named(choice, None)) for each in layouts)]


def _by_top(files: Mapping[str, Read]) -> dict[str, dict[str, Read]]:
    found: dict[str, dict[str, Read]] = {}
    for name, read in files.items():
        top, below, rest = name.partition("/")
        if below:
            found.setdefault(top, {})[rest] = read
    return found


def _grouped(tree: Tree, pictures: list[Picture], kind: str, detail: str, layout: str) -> list[Picture]:
    if kind == "folder":
        return in_folder(pictures, detail)
    if kind == "name":
        return by_name(pictures, detail)
    if kind == "table":
        return by_table(pictures, _group_table(tree, detail))
    if kind == "column" and layout == "table":
        return pictures
    if kind == "column":
        raise IadError(f"{OPTION} = column:{detail}: {tree.place} is read as {layout}, which has no table; use another")
    raise IadError(f"{OPTION} = {kind}{':' if detail else ''}{detail}: none of {FORMS}; correct it")


def _group_table(tree: Tree, name: str) -> dict[str, str]:
    from iad.data.layouts.table import read_table_text

    columns, rows = read_table_text(tree, name)
    if missing := [column for column in ("path", "group") if column not in columns]:
        raise IadError(f"{tree.place}/{name}: no column '{missing[0]}'; a table of groups has path and group")
    return {row["path"]: row["group"] for _, row in rows}


def _told_groups(pictures: Sequence[Picture]) -> list[str]:
    groups: dict[str, int] = {}
    for picture in pictures:
        if picture.group:
            groups[picture.group] = groups.get(picture.group, 0) + 1
    if not groups:
        return []
    alone = sum(not picture.group for picture in pictures)
    rest = f"; {counted(alone, 'picture')} in none" if alone else ""
    return [
        f"{counted(len(groups), 'group')} of up to {counted(max(groups.values()), 'picture')}, each on one side{rest}"
    ]


def _passed_over(tree: Tree, used: Collection[str]) -> list[str]:
    others = [name for name in tree.others if name not in used]
    if not others:
        return []
    strange = counted(len(others), "file that is not a picture", "files that are not pictures")
    return [f"{strange} passed over, such as {others[0]}"]
