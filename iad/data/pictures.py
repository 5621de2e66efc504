"""Picture files: found at the paths that somebody names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from iad.data.formats import FORMAT_OF_SUFFIX, UNREAD_SUFFIXES
from iad.data.tree import image_id_of, look_through, read_bytes
from iad.errors import IadError


@dataclass(frozen=True)
class PictureFile:
    """A picture on disk.

    Attributes:
        path: Where it lies.
        name: Its path below the folder that was named, posix, or the file's own name. Two folders may hold the same
            names; the paths tell them apart.
        problem: Why it cannot be read, known when it was found; else empty.
    """

    path: Path
    name: str
    problem: str = ""

    def read(self) -> bytes:
        """The bytes of the file.

        Raises:
            IadError: if it has vanished or may not be read, or with its `problem`.
        """
        if self.problem:
            raise IadError(self.problem)
        return read_bytes(self.path)

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of the file's bytes, as the manifest holds it; the file is read for it once.

        Raises:
            IadError: as `read`.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     (Path(folder) / "a.png").write_bytes(b"abc")
        ...     PictureFile(Path(folder) / "a.png", "a.png").sha256[:8]
        3
        'ba7816bf'
        """
        return hashlib.sha256(self.read()).hexdigest()


def find(paths: str | Path | Iterable[str | Path]) -> list[PictureFile]:
    """Find the pictures at one path or several: in the order given, those of a folder and the folders in it by name.

    A file counts as a picture whatever it is called, and so does every file of a folder with the suffix of a picture,
    of a kind that is read or not: what cannot be decoded is then told, where passing it over here would hide it. So is,
    by its `problem`, what a folder holds beside files: a link that leads nowhere or elsewhere, a pipe.

    Raises:
        IadError: if a path leads nowhere or may not be looked into, or a folder holds no picture.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("b.png", "a.jpg", "notes.txt"):
        ...         (Path(folder) / name).touch()
        ...     [picture.name for picture in find([folder, f"{folder}/b.png"])]
        ['a.jpg', 'b.png', 'b.png']
    """
    given = [paths] if isinstance(paths, str | Path) else paths
    return [picture for path in given for picture in _told(Path(path))]


def _told(given: Path) -> list[PictureFile]:
    try:
        return _at(given)
    except OSError as error:
        where = f" ({error.filename})" if error.filename and str(error.filename) != str(given) else ""
        raise IadError(f"{given}: cannot be looked into{where}: {error.strerror}; check its name and rights") from None


def _at(given: Path) -> list[PictureFile]:
    if given.is_dir():
        found = [PictureFile(path, name, why) for name, path, why in look_through(given) if _may_be_picture(path, why)]
        found.sort(key=lambda one: one.name)
        if not found:
            raise IadError(f"{given}: no picture in this folder; name a folder or files with pictures")
        return found
    if given.is_file():
        return [PictureFile(given, image_id_of(given, given.parent))]
    raise IadError(f"{given}: no such file or folder; name files or folders with pictures")


def _may_be_picture(path: Path, problem: str) -> bool:
    """A file named as one, or a link to a folder: pictures may lie behind."""
    return _is_picture(path) or bool(problem and (not path.suffix or path.is_dir()))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in FORMAT_OF_SUFFIX or path.suffix.lower() in UNREAD_SUFFIXES
