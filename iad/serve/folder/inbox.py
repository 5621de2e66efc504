"""Pictures that a camera's program drops into a folder, each given once it is complete.

The folder is looked through again and again: that works on every file system, on network drives too, where nobody tells
of new files. A file counts as complete when neither its size nor its time has changed for a while.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from iad.data.formats import FORMAT_OF_SUFFIX, UNREAD_SUFFIXES
from iad.errors import IadError

Stamp = tuple[int, int]
"""Size in bytes, and time of the last change in nanoseconds."""


@dataclass(frozen=True)
class Arrived:
    """A file that is complete.

    Attributes:
        path: where it lies.
        name: its path below the folder, posix.
        size: in bytes.
        modified: in nanoseconds of the system's clock.
    """

    path: Path
    name: str
    size: int
    modified: int


class Inbox:
    """What comes into a folder and the folders in it.

    A file counts by its suffix: every kind of picture, read or not; pipes and devices are no files. Names that begin
    with a dot are passed over.

    Args:
        folder: to look through.
        settle: seconds for which a file must not have changed.
        outside: folders in it that are not looked through.

    Raises:
        IadError: if the folder is not there.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as name:
    ...     inbox = Inbox(Path(name), settle=0.5)
    ...     _ = (Path(name) / "a.png").write_bytes(b"abc")
    ...     [[one.name for one in inbox.settled(now)] for now in (0.0, 0.2, 0.7, 9.0)]
    [[], [], ['a.png'], []]
    """

    def __init__(self, folder: Path, *, settle: float, outside: Collection[Path] = ()) -> None:
        if not folder.is_dir():
            raise IadError(f"{folder}: {'a file' if folder.exists() else 'no such folder'}; name a folder to watch")
        self.folder, self.settle = folder, settle
        self._outside = {os.path.realpath(one) for one in outside}
        self._waiting: dict[str, tuple[Stamp, float]] = {}  # by path: its stamp, and since when it has that
        self._given: dict[str, Stamp] = {}

    def settled(self, now: float) -> list[Arrived]:
        """Files that have become complete since they were asked for last, the oldest first.

        Args:
            now: seconds of a clock that only goes forward.

        Raises:
            OSError: if the folder cannot be looked through now, as when a network drive is away.
        """
        there = {entry.path: _stamp(entry) for entry in self._entries(str(self.folder))}
        self._given = {path: stamp for path, stamp in self._given.items() if there.get(path) == stamp}
        before, self._waiting = self._waiting, {}
        complete = []
        for path, stamp in there.items():
            if stamp is None or path in self._given:
                continue
            known, since = before.get(path, (stamp, now))
            self._waiting[path] = stamp, (since if known == stamp else now)
            if now - self._waiting[path][1] >= self.settle:
                complete.append(path)
        for path in complete:
            self._given[path] = self._waiting.pop(path)[0]
        return sorted((self._arrived(path) for path in complete), key=lambda one: (one.modified, one.name))

    @property
    def is_waiting(self) -> bool:
        """Whether there were files that were not complete when it was asked last."""
        return bool(self._waiting)

    def _arrived(self, path: str) -> Arrived:
        name = Path(path).relative_to(self.folder).as_posix()
        return Arrived(Path(path), name, *self._given[path])

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if os.path.realpath(entry.path) not in self._outside:
                        yield from self._within(entry.path)
                elif Path(entry.name).suffix.lower() in FORMAT_OF_SUFFIX.keys() | UNREAD_SUFFIXES:
                    yield entry

    def _within(self, folder: str) -> Iterator[os.DirEntry[str]]:
        try:
            yield from self._entries(folder)
        except FileNotFoundError:  # removed meanwhile
            return


def _stamp(entry: os.DirEntry[str]) -> Stamp | None:
    try:
        found = entry.stat()
    except OSError:  # removed meanwhile, or a link that leads nowhere
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None  # no pipe, no device
