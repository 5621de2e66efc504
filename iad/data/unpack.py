"""One category out of a tar archive, streamed; members that would climb out of their folder are refused."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from iad.errors import IadError
from iad.io import CHUNK_BYTES, new_folder
from iad.progress import Bar, bar


def unpack_category(archive: Path, category: str, folder: Path) -> None:
    """Unpack the files below `category` (at the top of the archive, or in its one top folder) to `folder`.

    A folder that is there is complete: nothing is done then, and where two processes unpack at once, that of the faster
    one stays, since it may be read already. Every member's name is checked, also those of other categories. Only
    regular files are written.

    Raises:
        IadError: if a name or a link's target is absolute or holds "..", the category holds anything but files and
            folders, the category is not there, or the archive is damaged. Nothing is left then.
    """
    if folder.is_dir():
        return
    size = archive.stat().st_size
    try:
        with (
            new_folder(folder) as part,
            archive.open("rb") as file,
            bar(f"unpacking {category}", size, unit="B", scale=True) as shown,
            tarfile.open(fileobj=_Watched(file, shown), mode="r|*", bufsize=CHUNK_BYTES) as tar,  # type: ignore[call-overload]
        ):
            if not sum(_unpack(tar, member, category, part, archive) for member in tar):
                raise IadError(f"{archive}: holds no category '{category}'; correct data.mvtec.path or data.category")
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError) as error:
        raise IadError(f"{archive}: cut short or not a tar archive ({error}); download it again") from None


class _Watched:
    """A file that advances a bar as it is read."""

    def __init__(self, file: IO[bytes], shown: Bar) -> None:
        self.file, self.shown = file, shown

    def read(self, size: int) -> bytes:
        data = self.file.read(size)
        self.shown.update(len(data))
        return data


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, category: str, part: Path, archive: Path) -> bool:
    links = [member.linkname] if member.issym() or member.islnk() else []
    for name in (member.name, *links):
        if name.startswith("/") or ".." in PurePosixPath(name).parts or "\\" in name or ":" in name:
            raise IadError(
                f"{archive}: member '{member.name}' climbs out of its folder ({name}); do not use this archive"
            )
    parts = PurePosixPath(member.name).parts
    below = next((parts[depth + 1 :] for depth in (0, 1) if parts[depth : depth + 1] == (category,)), ())
    if not below or member.isdir():
        return False
    if not member.isreg():
        raise IadError(f"{archive}: member '{member.name}' is not a regular file; do not use this archive")
    member.name = PurePosixPath(*below).as_posix()
    tar.extract(member, part, filter="data")
    return True
