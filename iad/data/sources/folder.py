"""A user's own pictures: `data/<category>`, in any of the layouts of `iad.data.layouts`.

They may also lie in object storage: `<address>/<category>`, for an address that fsspec knows. They are read from there
and never copied whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from iad.errors import IadError
from iad.options import Name, Share, SourceOptions

if TYPE_CHECKING:
    from iad.data.layouts.common.base import Tree
    from iad.data.manifest import Picture


ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^\s?#]*")


def _without_secrets(address: str) -> str:
    """Refuse an address with a password, which would be in git, and what is none; the refusal does not repeat it."""
    key = "data.folder.address"
    user, at, _ = address.partition("://")[2].partition("/")[0].rpartition("@")
    if at and (":" in user or address.startswith("http")):
        raise _in_words(f"{key}: holds a user's name or password; give them in the environment or in fsspec's settings")
    if "::" in address or not ADDRESS.fullmatch(address):
        raise _in_words(
            f"{key}: not a plain address such as s3://bucket/parts (one scheme, no ?, no space); correct it, or set it "
            "to null for the folder data"
        )
    return address


def _in_words(line: str) -> PydanticCustomError:
    return PydanticCustomError("in_words", "{line}", {"line": line})


class Options(SourceOptions):
    """How the folder is read; what is null follows from looking at it, or is refused where it may be two things."""

    categories: ClassVar[str] = "the name of its folder in data"

    layout: Name = Field("auto", description="auto, or one of those in docs/data.md")
    product: Name | None = Field(None, description="null: the only one; or which product of a folder of several")
    table: Name | None = Field(None, description="null: the only one; or the table or list in the folder")
    names: Name | None = Field(
        None, description="or a pattern that tells pictures apart by their paths: (?P<good>ok)|(?P<bad>ng)"
    )
    groups: Name | None = Field(
        None, description="what stays on one side of the split: column:NAME, folder:2, name:PATTERN or table:FILE"
    )
    train_share: Share = Field(0.7, description="of the good pictures, where the folder has no split of its own")
    address: Annotated[str, AfterValidator(_without_secrets)] | None = Field(
        None, description="null: the folder data; or object storage in its place, as s3://bucket/parts; docs/remote.md"
    )


def load(
    category: str, *, seed: int, root: Path, layout: str, product: str | None, table: str | None, names: str | None,
    groups: str | None, train_share: float, address: str | None,
) -> list[Picture]:  # fmt: skip
    """List the pictures of a folder, and tell how it was understood.

    Args:
        category: The name of the folder below `root`, or below `address`.
        seed: Of the split, where the folder has none.
        root: Where the folders of pictures lie.
        layout: "auto", or the name of a layout.
        product: Which product of a folder of several.
        table: The table or list that names the pictures.
        names: A pattern with the groups `good` and `bad` that tells pictures apart by their paths.
        groups: What stays on one side of the split, as `iad.data.groups` understands it.
        train_share: Share of the good pictures that trains, where the folder has no split; the rest is for testing.
        address: Where they lie instead of `root`, as fsspec understands it.

    Raises:
        IadError: if the folder is missing, a link leads to it, the network fails, and as `understand`.
    """
    from iad.data.layouts import Choice, understand
    from iad.progress import say
    from iad.words import printable

    if PurePath(category).is_absolute() or ".." in PurePath(category).parts:
        raise IadError(f"data.category = '{category}' leaves {address or root}; give the name of a folder in it")
    tree = open_folder(root, category) if address is None else _far_away(address, category, root)
    found = understand(tree, Choice(layout, product, table, names, groups, train_share, seed))
    say(printable(f"{tree.place}: read as {found.title}"))
    for note in found.notes:
        say(printable(f"{tree.place}: {note}"))
    if address is not None:
        _refuse_made_masks(tree.place, found.pictures)
    return found.pictures


def open_folder(root: Path, category: str) -> Tree:
    """The files of a folder below `root`.

    Raises:
        IadError: if it is missing, or a link leads to it.
    """
    from iad.data.layouts import tree_of

    folder = root / category
    _refuse_links(folder, root)
    if not folder.is_dir():
        raise IadError(
            f"{folder}: no such folder (data.category); put the pictures there and run `dvc add {folder.as_posix()}`"
            + _others(root)
        )
    return tree_of(folder)


def _far_away(address: str, category: str, root: Path) -> Tree:
    from iad.data.layouts import make_tree
    from iad.data.region import is_region
    from iad.data.remote import RemoteFolder
    from iad.progress import say

    folder = RemoteFolder(f"{address.removesuffix('/')}/{category}")
    files = [(file.image_id, file) for file in folder.files()]
    if region := next((name for name, _ in files if is_region(name)), None):
        here = (root / category / region).as_posix()
        say(f"{folder.address}/{region}: not read from there; a region of interest counts as {here}")
    return make_tree(folder.address, files)


def _refuse_made_masks(place: str, pictures: Sequence[Picture]) -> None:
    """Of pictures that stay where they are, so must the masks: one that is made of others would lie nowhere."""
    from iad.data.remote import RemoteFile

    if made := [one for one in pictures if one.read_mask and not isinstance(one.read_mask, RemoteFile)]:
        raise IadError(
            f"{place}: the mask of {made[0].image_id} is made of several files, colours or shapes, which is done of "
            "files on disk only; copy the folder, and set data.folder.address to null"
        )


def _refuse_links(folder: Path, root: Path) -> None:
    """Refuse a link on the way to the folder: DVC does not look behind it, so changes there would go unseen."""
    for path in (root, *(root.joinpath(*parts) for parts in _beginnings(folder.relative_to(root).parts))):
        if path.is_symlink():
            target = path.resolve()
            raise IadError(
                f"{path}: a link (to {target}), behind which DVC sees no change; put a copy in its place and run "
                f"`dvc add {folder.as_posix()}`, or remove it and run `dvc import-url {target} {path.as_posix()}`"
            )


def _beginnings(parts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (parts[: count + 1] for count in range(len(parts)))


def _others(root: Path) -> str:
    there = sorted(path.name for path in root.glob("[!.]*") if path.is_dir())
    return f"; there are: {', '.join(there)}" if there else ""
