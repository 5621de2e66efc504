"""Pictures that a user names on the command line: files, or folders of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iad.data.tree import find_pictures, read_bytes
from iad.errors import IadError


@dataclass(frozen=True)
class Found:
    """A picture: its file, and its name, which is the path below the folder that was named, or the file's name."""

    path: Path
    name: str

    def read(self) -> bytes:
        """The bytes of the file.

        Raises:
            IadError: if it has vanished or may not be read.
        """
        return read_bytes(self.path)

    def sha256(self) -> str:
        """Hex SHA-256 of the file's bytes, as the manifest holds it."""
        return hashlib.sha256(self.read()).hexdigest()


def find(places: Sequence[Path]) -> list[Found]:
    """Find the pictures at these places, in the order given; those of a folder by name.

    Raises:
        IadError: if a place is not there, or a folder holds no picture.
    """
    found: list[Found] = []
    for place in places:
        if place.is_dir():
            inside = [Found(path, name) for name, path in find_pictures(place).items()]
            if not inside:
                raise IadError(f"{place}: no picture in this folder; name a folder or files with pictures")
            found += inside
        elif place.is_file():
            found.append(Found(place, place.name))
        else:
            raise IadError(f"{place}: no such file or folder")
    return found
