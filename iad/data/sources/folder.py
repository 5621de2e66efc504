"""A user's own pictures: `data/<category>` in MVTec layout, or with plain good/ and bad/ folders.

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
from iad.options import Share, SourceOptions

if TYPE_CHECKING:
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
    """How a plain `good/` + `bad/` folder is split; a folder in MVTec layout brings its own split."""

    categories: ClassVar[str] = "the name of its folder in data"

    train_share: Share = Field(0.7, description="for a plain good/ + bad/ folder")
    address: Annotated[str, AfterValidator(_without_secrets)] | None = Field(
        None, description="null: the folder data; or object storage in its place, as s3://bucket/parts; docs/remote.md"
    )


def load(category: str, *, seed: int, root: Path, train_share: float, address: str | None) -> list[Picture]:
    """List the pictures of a folder.

    Args:
        category: The name of the folder below `root`, or below `address`.
        seed: Of the split, where the folder has none.
        root: Where the folders of pictures lie.
        train_share: Share of the pictures in good/ that trains, where the folder has no split; the rest is for testing.
        address: Where they lie instead of `root`, as fsspec understands it.

    Raises:
        IadError: if the folder is missing, a link leads to it, the network fails, and as `read_layout`.
    """
    if PurePath(category).is_absolute() or ".." in PurePath(category).parts:
        raise IadError(f"data.category = '{category}' leaves {address or root}; give the name of a folder in it")
    if address is not None:
        return _far_away(address, category, seed=seed, train_share=train_share)
    from iad.data.layouts import read_layout

    folder = root / category
    _refuse_links(folder, root)
    if not folder.is_dir():
        raise IadError(
            f"{folder}: no such folder (data.category); put the pictures there and run `dvc add {folder.as_posix()}`"
            + _others(root)
        )
    return read_layout(folder, train_share=train_share, seed=seed)


def _far_away(address: str, category: str, *, seed: int, train_share: float) -> list[Picture]:
    from iad.data.layouts import lay_out
    from iad.data.remote import RemoteFolder
    from iad.data.tree import pictures_among

    folder = RemoteFolder(f"{address.removesuffix('/')}/{category}")
    files = pictures_among(((file.image_id, file) for file in folder.files()), folder.address)
    return lay_out(folder.address, files, train_share=train_share, seed=seed)


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
