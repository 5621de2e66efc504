"""Pictures put into a folder for their verdict, moved or copied."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path, PurePosixPath

from iad.errors import IadError
from iad.io import replacing


@dataclass(frozen=True)
class Sorting:
    """Where pictures go.

    Attributes:
        folders: by verdict ("passed", "rejected", "unread"); a picture of another verdict stays where it is.
        copy: whether a copy goes there, and the picture stays.
    """

    folders: Mapping[str, Path] = field(default_factory=dict)
    copy: bool = False

    def require_apart(self, inbox: Path | None) -> None:
        """Refuse a folder for verdicts that is the one where pictures come, or that cannot be made.

        Args:
            inbox: where pictures come; None: from no folder.

        Raises:
            IadError: naming it.
        """
        for path in self.folders.values():
            if inbox is not None and os.path.realpath(path) == os.path.realpath(inbox):
                raise IadError(f"{path}: is where pictures come; name another folder for those that were inspected")
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise IadError(f"{path}: cannot be a folder ({error.strerror}); name another") from None

    def place(self, verdict: str, name: str) -> str:
        """A path that is free for a picture, absolute; empty if it stays.

        Args:
            verdict: of the picture.
            name: its path below the folder that it came from; it keeps it.
        """
        if verdict not in self.folders:
            return ""
        whole = self.folders[verdict].absolute() / PurePosixPath(name)
        names = (whole if number == 0 else whole.with_stem(f"{whole.stem}-{number}") for number in count())
        return str(next(path for path in names if not os.path.lexists(path)))

    def put(self, path: Path, place: str) -> None:
        """Move or copy a picture to its place, where it appears complete; nothing happens if it has none.

        Raises:
            IadError: if it cannot be written there.
        """
        if not place:
            return
        target = Path(place)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if self.copy or not _renamed(path, target):
                with replacing(target) as part:
                    shutil.copy2(path, part)
                if not self.copy:
                    path.unlink()
        except FileNotFoundError:
            return  # somebody took the picture away; its verdict is in the log
        except OSError as error:
            what = f"cannot be {'copied' if self.copy else 'moved'} to {target} ({error.strerror})"
            raise IadError(f"{path}: {what}; make room, or name another folder") from None

    def finish(self, path: Path, place: str) -> None:
        """Put a picture into the place that it was given before a restart, if that was not done; overwrite nothing.

        Raises:
            IadError: as `put`.
        """
        if not place or not os.path.lexists(place):
            self.put(path, place)
        elif not self.copy and filecmp.cmp(path, place, shallow=False):
            path.unlink(missing_ok=True)


def _renamed(path: Path, target: Path) -> bool:
    """Whether a file could be renamed, as it can be within one disk."""
    try:
        path.rename(target)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True
