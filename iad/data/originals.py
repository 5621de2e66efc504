"""The original bytes of all pictures, by name, wherever they lie: what `write_originals` wrote, read again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from zipfile import BadZipFile, ZipFile

import numpy as np

from iad.data.formats import Depth, depth_of, open_picture
from iad.errors import IadError

AGAIN = "run `dvc repro --force download` to write it again"
PNG_DEPTH = 24  # place of the byte that holds the bits per value


class Originals:
    """The pictures and masks that `write_originals` kept, open for reading.

    Any number of threads may read at once. A pickled one opens the same file again, where it is unpickled.

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
        self.remote = False
        self._archive = _opened(path)

    def read(self, name: str) -> bytes:
        """The bytes of a picture or a mask.

        Raises:
            IadError: naming it, if it is not there or cannot be read.
        """
        try:
            return self._archive.read(name)  # from several threads at once: ZipFile locks its own file
        except (KeyError, BadZipFile, OSError) as error:
            raise IadError(f"{self._archive.filename}: cannot read '{name}' ({error}); {AGAIN}") from None

    def stream(self, names: Sequence[str]) -> Iterator[bytes]:
        """The bytes of several, in their order; where they lie elsewhere, some are asked for ahead.

        Raises:
            IadError: as `read`.
        """
        return map(self.read, names)

    def sizes(self, names: Sequence[str]) -> np.ndarray:
        """Size of each in bytes, int64 `(N,)`; nothing is read for it.

        Raises:
            IadError: naming the first that is not there.
        """
        sizes = {entry.filename: entry.file_size for entry in self._archive.infolist()}
        if absent := [name for name in names if name not in sizes]:
            raise IadError(f"{self._archive.filename}: has no '{absent[0]}'; {AGAIN}")
        return np.array([sizes[name] for name in names], dtype=np.int64)

    def depths(self, names: Sequence[str], *, max_megapixels: float) -> np.ndarray:
        """What each picture's values are made of, int8 `(N,)` of `iad.data.formats.Depth`, by its header.

        Raises:
            IadError: as `read`, and as `iad.data.formats.open_picture`.
        """
        return np.array([self._depth(name, max_megapixels) for name in names], dtype=np.int8)

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Originals], tuple[Path]]:
        return Originals, (self.path,)

    def _depth(self, name: str, max_megapixels: float) -> Depth:
        if not self._may_hold_16_bits(name):
            return Depth.BITS_8
        return depth_of(open_picture(self.read(name), name, max_megapixels=max_megapixels))

    def _may_hold_16_bits(self, name: str) -> bool:
        suffix = name.lower().rpartition(".")[2]
        if suffix != "png":
            return suffix in ("tif", "tiff")
        with suppress(KeyError, BadZipFile), self._archive.open(name) as file:
            return file.read(PNG_DEPTH + 1)[-1:] == b"\x10"
        return True  # reading it whole says what is wrong


def _opened(path: Path) -> ZipFile:
    if not path.is_file():
        raise IadError(f"{path}: missing; run `dvc repro` to write it")
    try:
        return ZipFile(path)
    except BadZipFile as error:
        raise IadError(f"{path}: not a readable ZIP file ({error}); run `dvc repro` to write it again") from None
