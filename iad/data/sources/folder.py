"""A user's own pictures: `data/<category>` in MVTec layout, or with plain good/ and bad/ folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from iad.errors import IadError
from iad.options import Share, SourceOptions

if TYPE_CHECKING:
    from iad.data.manifest import Picture


class Options(SourceOptions):
    """How a plain `good/` + `bad/` folder is split; a folder in MVTec layout brings its own split."""

    categories: ClassVar[str] = "the name of its folder in data"

    train_share: Share = Field(0.7, description="for a plain good/ + bad/ folder")


def load(category: str, *, seed: int, root: Path, train_share: float) -> list[Picture]:
    """List the pictures of a folder.

    Args:
        category: The name of the folder below `root`.
        seed: Of the split, where the folder has none.
        root: Where the folders of pictures lie.
        train_share: Share of the pictures in good/ that trains, where the folder has no split; the rest is for testing.

    Raises:
        IadError: if the folder is missing, a link leads to it, and as `read_layout`.
    """
    from iad.data.layouts import read_layout

    folder = root / category
    if PurePath(category).is_absolute() or ".." in PurePath(category).parts:
        raise IadError(f"data.category = '{category}' leaves {root}; give the name of a folder in it")
    _refuse_links(folder, root)
    if not folder.is_dir():
        raise IadError(
            f"{folder}: no such folder (data.category); put the pictures there and run `dvc add {folder.as_posix()}`"
            + _others(root)
        )
    return read_layout(folder, train_share=train_share, seed=seed)


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
