"""One category of a ZIP archive unpacked, as `iad.data.archives` does with tar archives."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

from iad.data.archives import place_below
from iad.errors import IadError
from iad.io import new_folder
from iad.progress import track


def unpack_zip_category(archive: Path, category: str, folder: Path) -> None:
    """Unpack the files below `category` (at the top of the archive, or in its one top folder) to `folder`.

    A folder that is there is complete: nothing is done then. Only regular files are written, each below `folder`.

    Args:
        archive: The ZIP file.
        category: A folder in it.
        folder: Where its files go.

    Raises:
        IadError: if a member's name leads out of its folder, the category is not there, or the archive is damaged or
            encrypted. Nothing is left then.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as name:
        ...     path = Path(name) / "all.zip"
        ...     with ZipFile(path, "w") as file:
        ...         file.writestr("set/01/train/ok/1.bmp", b"abc")
        ...     unpack_zip_category(path, "01", Path(name) / "01")
        ...     (Path(name) / "01/train/ok/1.bmp").read_bytes()
        b'abc'
    """
    if folder.is_dir():
        return
    try:
        with ZipFile(archive) as opened, new_folder(folder) as part:
            members = [(member, below) for member in opened.infolist() if (below := _below(member, category, archive))]
            if not members:
                raise IadError(f"{archive}: holds no category '{category}'; correct data.category, or its path")
            for member, below in track(members, f"unpacking {category}", total=len(members)):
                _write(opened, member, part / below)
    except (BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:  # Runtime: encrypted
        raise IadError(f"{archive}: cut short, encrypted or not a ZIP archive ({error}); download it again") from None


def _below(member: ZipInfo, category: str, archive: Path) -> Path | None:
    below = place_below(member.filename, [member.filename], category, archive)
    return Path(*below) if below and not member.is_dir() else None


def _write(opened: ZipFile, member: ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)
