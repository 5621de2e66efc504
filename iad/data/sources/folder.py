"""A user's own pictures: `data/<category>` in MVTec layout, or with plain good/ and bad/ folders."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from iad.errors import IadError
from iad.options import Share, SourceOptions

if TYPE_CHECKING:
    from iad.data.manifest import Picture


class Options(SourceOptions):
    """How a plain `good/` + `bad/` folder is split; a folder in MVTec layout brings its own split."""

    categories: ClassVar[str] = "its name under data/"

    train_share: Share = Field(0.7, description="for a plain good/ + bad/ folder")


def load(category: str, *, seed: int, root: Path, train_share: float) -> list[Picture]:
    """List the pictures of a folder.

    Args:
        category: The name of the folder below `root`.
        seed: Of the split, where the folder has none.
        root: Where the folders of pictures lie.
        train_share: Share of the pictures in good/ that trains, where the folder has no split; the rest is for testing.

    Raises:
        IadError: if the folder is missing, and as `read_layout`.
    """
    from iad.data.layouts import read_layout

    folder = root / category
    if PurePath(category).is_absolute() or ".." in PurePath(category).parts:
        raise IadError(f"data.category = '{category}' leaves {root}; give the name of a folder in it")
    if not folder.is_dir():
        raise IadError(
            f"{folder}: no such folder (data.category); put the pictures there and run `dvc add {folder.as_posix()}`"
            + _others(root)
        )
    return read_layout(folder, train_share=train_share, seed=seed)


def _others(root: Path) -> str:
    there = sorted(path.name for path in root.glob("[!.]*") if path.is_dir())
    return f"; there are: {', '.join(there)}" if there else ""
