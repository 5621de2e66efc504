"""A large archive over HTTP: resumed where it broke off, checked by SHA-256, and one category of it unpacked.

The file and the folder are complete or absent. Members that would climb out of their folder are refused.
"""

from __future__ import annotations

import hashlib
import lzma
import tarfile
import time
import zlib
from collections.abc import Iterable
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from iad.errors import IadError
from iad.io import CHUNK_BYTES, new_folder
from iad.progress import Bar, bar, say

TIMEOUT_SECONDS = 30.0
TRIES = 4  # without a single new byte
PAUSE_SECONDS = 2.0
WORTH_RETRYING = (408, 429)  # timeout, too many requests; other 4xx will not change


def download_file(url: str, path: Path, sha256: str, *, remedy: str) -> None:
    """Download `url` to `path`; what an earlier call left in `<path>.part` is kept and continued.

    Two processes may do so at once: they write the same bytes to the same places.

    Args:
        url: An http or https address.
        path: Where the file appears once it is complete and its hash is right.
        sha256: The hash it must have.
        remedy: What the user can do when it fails.

    Raises:
        IadError: if the server cannot be reached, stops answering, or sends another file.
    """
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    part.touch()
    say(f"downloading {url} into {path.parent}")
    try:
        _fetch_all(url, part, remedy)
        found = hash_with_bar(part)
        if found != sha256:
            part.unlink()
            raise IadError(
                f"{url}: the download has sha256 {found}, not {sha256}, and was deleted; run again, or {remedy}"
            )
        part.replace(path)
    except FileNotFoundError:
        if not path.is_file():  # it is there if another process was faster
            raise IadError(f"{part}: another process deleted this download; run again") from None


def hash_with_bar(path: Path) -> str:
    """Hex SHA-256 of a large file, with a bar."""
    digest = hashlib.sha256()
    with path.open("rb") as file, bar(f"checking {path.name}", path.stat().st_size, unit="B", scale=True) as shown:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            shown.update(len(chunk))
    return digest.hexdigest()


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
                raise IadError(f"{archive}: holds no category '{category}'; correct data.category, or its path")
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError) as error:
        raise IadError(f"{archive}: cut short or not a tar archive ({error}); download it again") from None


class _BrokenError(Exception):
    """The connection failed in a way that another try may cure."""


def _fetch_all(url: str, part: Path, remedy: str) -> None:
    failures = 0
    while True:
        before = part.stat().st_size
        try:
            return _fetch_rest(url, part, before, remedy)
        except _BrokenError as error:
            failures = 1 if part.stat().st_size > before else failures + 1
            if failures == TRIES:
                raise IadError(
                    f"{url}: download failed {TRIES} times ({error}); run again later to go on, or {remedy}"
                ) from None
            time.sleep(PAUSE_SECONDS * failures)


def _fetch_rest(url: str, part: Path, offset: int, remedy: str) -> None:
    request = Request(url, headers={"Range": f"bytes={offset}-", "User-Agent": "iad"})  # noqa: S310  # https constants
    try:
        response = urlopen(request, timeout=TIMEOUT_SECONDS)  # noqa: S310  # as above
    except HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and offset:
            return  # nothing is missing; the hash decides
        if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.code in WORTH_RETRYING:
            raise _BrokenError(f"HTTP {error.code} {error.reason}") from None
        raise IadError(f"{url}: the server answered {error.code} {error.reason}; {remedy}") from None
    except (OSError, HTTPException) as error:
        raise _BrokenError(str(getattr(error, "reason", error)) or type(error).__name__) from None
    with response:
        _save(response, part, offset if response.status == HTTPStatus.PARTIAL_CONTENT else 0)


def _save(response: Any, part: Path, offset: int) -> None:
    length = response.headers.get("Content-Length")
    missing = int(length) if length else None
    # opened for update, not for appending: a second process then writes the same bytes to the same places
    with part.open("r+b") as file, bar("downloading", missing, unit="B", scale=True) as shown:
        file.seek(offset)
        received = 0
        while chunk := _read(response):
            file.write(chunk)
            received += len(chunk)
            shown.update(len(chunk))
    if missing is not None and received < missing:
        raise _BrokenError(f"the connection was cut {missing - received} bytes before the end")


def _read(response: Any) -> bytes:
    try:
        data: bytes = response.read(CHUNK_BYTES)
    except (OSError, HTTPException) as error:
        raise _BrokenError(str(error) or type(error).__name__) from None
    return data


class _Watched:
    """A file that advances a bar as it is read."""

    def __init__(self, file: IO[bytes], shown: Bar) -> None:
        self.file, self.shown = file, shown

    def read(self, size: int) -> bytes:
        data = self.file.read(size)
        self.shown.update(len(data))
        return data


def place_below(member: str, names: Iterable[str], category: str, archive: Path) -> tuple[str, ...]:
    """The path of an archive's member below a category at the top or in the one top folder; empty where it is not.

    Args:
        member: Its name.
        names: That, and what it links to.
        category: The folder.
        archive: Where it is in.

    Raises:
        IadError: if a name is absolute or climbs out of its folder.

    >>> place_below("set/01/train/1.png", [], "01", Path("all.zip"))
    ('train', '1.png')
    """
    for name in names:
        if name.startswith("/") or ".." in PurePosixPath(name).parts or "\\" in name or ":" in name:
            raise IadError(f"{archive}: member '{member}' climbs out of its folder ({name}); do not use this archive")
    parts = PurePosixPath(member).parts
    return next((parts[depth + 1 :] for depth in (0, 1) if parts[depth : depth + 1] == (category,)), ())


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, category: str, part: Path, archive: Path) -> bool:
    links = [member.linkname] if member.issym() or member.islnk() else []
    below = place_below(member.name, [member.name, *links], category, archive)
    if not below or member.isdir():
        return False
    if not member.isreg():
        raise IadError(f"{archive}: member '{member.name}' is not a regular file; do not use this archive")
    member.name = PurePosixPath(*below).as_posix()
    tar.extract(member, part, filter="data")
    return True
