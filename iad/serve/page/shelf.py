"""Folders of this computer whose pictures the page may show and judge: those that `--pictures` names, and below."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from iad.data.formats import FORMAT_OF_SUFFIX
from iad.data.layouts.common.matching import MASK_FOLDERS
from iad.data.pictures import PictureFile
from iad.errors import IadError

MOST_FOLDERS = 500  # that are offered


class Shelf:
    """What lies in the folders. Links are not followed, so that nothing outside of them is reached.

    Args:
        roots: the folders.

    Raises:
        IadError: if one is no folder.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        if absent := next((one for one in roots if not one.is_dir()), None):
            raise IadError(f"--pictures {absent}: no such folder; name one whose pictures the page may show")
        self._roots = [one.resolve() for one in roots]

    @property
    def is_filled(self) -> bool:
        """Whether there is any folder."""
        return bool(self._roots)

    def folders(self) -> dict[str, Path]:
        """Folders with pictures, by what they are called on the page, with how many they hold; none of masks.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     (Path(folder) / "new").mkdir()
        ...     (Path(folder) / "new" / "a.png").touch()
        ...     (Path(folder) / "ground_truth").mkdir()
        ...     (Path(folder) / "ground_truth" / "a.png").touch()
        ...     [name.rpartition("/")[2] for name in Shelf([Path(folder)]).folders()]
        ['new (1)']
        """
        found: dict[str, Path] = {}
        for root in self._roots:
            for place, inner, files in os.walk(root):
                inner[:] = sorted(one for one in inner if one.lower() not in MASK_FOLDERS)
                number = sum(_is_picture(name) for name in files)
                if number and len(found) < MOST_FOLDERS:
                    path = Path(place)
                    found[f"{(Path(root.name) / path.relative_to(root)).as_posix()} ({number:,})"] = path
        return found

    def pictures(self, folder: Path) -> list[Path]:
        """The pictures in a folder, by name; none of a folder that is not on the shelf."""
        if not any(folder.resolve().is_relative_to(root) for root in self._roots):
            return []
        with os.scandir(folder) as entries:
            return sorted(
                Path(one.path) for one in entries if _is_picture(one.name) and one.is_file(follow_symlinks=False)
            )

    def original(self, image_id: str, sha256: str) -> PictureFile | None:
        """The very file of a good picture that a bundle was made of; None if it is not here."""
        return next((one for one in self._named(image_id) if one.sha256 == sha256), None)

    def _named(self, image_id: str) -> Iterator[PictureFile]:
        for root in self._roots:
            for place in (root / image_id, root / Path(image_id).name):
                if place.is_file() and place.resolve().is_relative_to(root):
                    yield PictureFile(place, image_id)


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in FORMAT_OF_SUFFIX
