"""The original bytes of all pictures, by name, wherever they lie: what `write_originals` kept, read again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self
from zipfile import BadZipFile, ZipFile

import numpy as np

from iad.data.ahead import read_ahead
from iad.data.formats import Depth, depth_of, open_picture
from iad.data.record import Entry, Record, is_record
from iad.data.remote import LOOK_AGAIN, THREADS, RemoteFolder
from iad.errors import IadError

AGAIN = "run `dvc repro --force download` to write it again"
PNG_DEPTH = 24  # place of the byte that holds the bits per value


class Originals:
    """The pictures and masks that `write_originals` kept, open for reading.

    Any number of threads may read at once. A pickled one opens the same file again, where it is unpickled;
    one of pictures elsewhere needs no file there.

    Attributes:
        path: The file, absolute.
        remote: Whether the bytes lie elsewhere, so that each picture is waited for.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "images.zip"
        ...     with ZipFile(path, "w") as archive:
        ...         archive.writestr("b.png", b"12345")
        ...         archive.writestr("a.png", b"123")
        ...     with Originals(path) as originals:
        ...         originals.read("a.png"), originals.sizes(["a.png", "b.png"]), originals.remote
        (b'123', array([3, 5]), False)
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            IadError: if it is missing or damaged.
        """
        self.path = Path(path).absolute()
        archive = _opened(path)
        self.remote = is_record(archive)
        try:
            self._kept: _Kept = _Elsewhere(*_record_in(archive)) if self.remote else _Archive(archive)
        except BadZipFile as error:
            raise _unreadable(path, error) from None

    def read(self, name: str) -> bytes:
        """The bytes of a picture or a mask.

        Raises:
            IadError: naming it, if it is not there, cannot be read, or is no longer what `write_originals` read.
        """
        return self._kept.read(name)

    def stream(self, names: Sequence[str]) -> Iterator[bytes]:
        """The bytes of several, in their order; where they lie elsewhere, some are asked for ahead.

        Raises:
            IadError: as `read`.
        """
        return self._kept.stream(names)

    def sizes(self, names: Sequence[str]) -> np.ndarray:
        """Size of each in bytes, int64 `(N,)`; no picture is read for it.

        Raises:
            IadError: naming the first that is not there.
        """
        return self._kept.sizes(names)

    def depths(self, names: Sequence[str], *, max_megapixels: float) -> np.ndarray:
        """What each picture's values are made of, int64 `(N,)` of `iad.data.formats.Depth`, by its header.

        Raises:
            IadError: as `read`, and as `iad.data.formats.open_picture`.
        """
        return self._kept.depths(names, max_megapixels)

    def close(self) -> None:
        """Close the file, and what reads from elsewhere."""
        self._kept.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        if isinstance(self._kept, _Elsewhere):
            return _arrived, (self.path, self._kept.record)
        return Originals, (self.path,)


class _Kept(Protocol):
    """What a file of originals holds, one way or the other; methods are those of `Originals`."""

    def read(self, name: str) -> bytes: ...

    def stream(self, names: Sequence[str]) -> Iterator[bytes]: ...

    def sizes(self, names: Sequence[str]) -> np.ndarray: ...

    def depths(self, names: Sequence[str], max_megapixels: float) -> np.ndarray: ...

    def close(self) -> None: ...


class _Archive:
    """The bytes themselves."""

    def __init__(self, archive: ZipFile) -> None:
        self.archive = archive

    def read(self, name: str) -> bytes:
        try:
            return self.archive.read(name)  # from several threads at once: ZipFile locks its own file
        except (KeyError, BadZipFile, OSError) as error:
            raise IadError(f"{self.archive.filename}: cannot read '{name}' ({error}); {AGAIN}") from None

    def stream(self, names: Sequence[str]) -> Iterator[bytes]:
        return map(self.read, names)

    def sizes(self, names: Sequence[str]) -> np.ndarray:
        sizes = {entry.filename: entry.file_size for entry in self.archive.infolist()}
        if absent := [name for name in names if name not in sizes]:
            raise _absent(self.archive.filename, absent[0])
        return np.array([sizes[name] for name in names], dtype=np.int64)

    def depths(self, names: Sequence[str], max_megapixels: float) -> np.ndarray:
        return np.array([self._depth(name, max_megapixels) for name in names], dtype=np.int64)

    def close(self) -> None:
        self.archive.close()

    def _depth(self, name: str, max_megapixels: float) -> Depth:
        if not self._may_hold_16_bits(name):
            return Depth.BITS_8
        return depth_of(open_picture(self.read(name), name, max_megapixels=max_megapixels))

    def _may_hold_16_bits(self, name: str) -> bool:
        suffix = name.lower().rpartition(".")[2]
        if suffix != "png":
            return suffix in ("tif", "tiff")
        with suppress(KeyError, BadZipFile), self.archive.open(name) as file:
            return file.read(PNG_DEPTH + 1)[-1:] == b"\x10"
        return True  # reading it whole says what is wrong


class _Elsewhere:
    """The record of where the bytes lie; what is read must be what was recorded."""

    def __init__(self, origin: str | None, record: Record) -> None:
        self.origin, self.record = origin, record
        self.pool = ThreadPoolExecutor(THREADS)  # its threads start when they are needed

    @cached_property
    def folder(self) -> RemoteFolder:  # not before it is read from: sizes need no network
        return RemoteFolder(self.record.address)

    def read(self, name: str) -> bytes:
        return self._fetched(self._entry(name))

    def stream(self, names: Sequence[str]) -> Iterator[bytes]:
        return read_ahead(self._fetched, map(self._entry, names), lambda entry: entry.size, self.pool)

    def sizes(self, names: Sequence[str]) -> np.ndarray:
        return self._column("size", names)

    def depths(self, names: Sequence[str], max_megapixels: float) -> np.ndarray:  # noqa: ARG002  # checked when recorded
        return self._column("depth", names)

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)

    def _entry(self, name: str) -> Entry:
        try:
            return self.record[name]
        except KeyError:
            raise _absent(self.origin, name) from None

    def _column(self, column: str, names: Sequence[str]) -> np.ndarray:
        try:
            return self.record.column(column, names).astype(np.int64)
        except KeyError as error:
            raise _absent(self.origin, error.args[0]) from None

    def _fetched(self, entry: Entry) -> bytes:
        data = self.folder.read(entry.key)
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise IadError(f"{self.folder.address}/{entry.key}: not the picture that `download` read; {LOOK_AGAIN}")
        return data


def _record_in(archive: ZipFile) -> tuple[str | None, Record]:
    with archive:
        return archive.filename, Record(archive)


def _arrived(path: Path, record: Record) -> Originals:
    """Originals elsewhere, on a machine that has no such file and needs none."""
    originals = Originals.__new__(Originals)
    originals.path, originals.remote, originals._kept = path, True, _Elsewhere(str(path), record)
    return originals


def _absent(origin: str | None, name: str) -> IadError:
    return IadError(f"{origin}: has no '{name}'; {AGAIN}")


def _opened(path: Path) -> ZipFile:
    if not path.is_file():
        raise IadError(f"{path}: missing; run `dvc repro` to write it")
    try:
        return ZipFile(path)
    except BadZipFile as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> IadError:
    return IadError(f"{path}: not a readable ZIP file ({error}); run `dvc repro` to write it again")
