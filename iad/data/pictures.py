"""Picture files: found at the paths that somebody names, and how each picture was taken and saved."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from PIL import Image
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked

from iad.data.decode import ORIENTATION, SIDEWAYS, picture_size
from iad.data.formats import (
    FORMAT_OF_SUFFIX,
    UNREAD_SUFFIXES,
    damaged,
    is_16bit_colour,
    is_16bit_grey,
    open_picture,
)
from iad.data.originals import Originals
from iad.data.tree import image_id_of, look_through, read_bytes
from iad.errors import IadError

Coding: TypeAlias = Literal["JPEG", "WebP", "lossless", "memory"]
"""What compression may have changed: lossless formats (BMP, PNG, TIFF) give the same pixels; "memory": nobody knows."""

STANDARD_TABLE = 3688  # sum of the luminance table of the JPEG standard, annex K, which libjpeg scales by the quality


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


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class Look:
    """How a picture was taken and saved.

    Attributes:
        width: in pixels, as displayed.
        height: in pixels, as displayed.
        coding: what compression may have changed.
        quality: of a JPEG, as libjpeg counts it, 1 to 100, estimated from its table; 0 where there is none.
        colour: whether any pixel is no grey, whatever the file says.
        bits: per channel, 8 or 16.
    """

    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]
    coding: Coding
    quality: Annotated[int, Field(ge=0, le=100)]
    colour: bool
    bits: Literal[8, 16]


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


def look_of_file(data: bytes, name: str, pixels: np.ndarray, *, max_megapixels: float) -> Look:
    """The look of a file; only its header is read.

    Args:
        data: the bytes of the file.
        name: what a refusal calls it.
        pixels: uint8 `(S, S, 3)`, what `iad.data.decode.decode` made of it.
        max_megapixels: as in `iad.data.decode.decode`.

    Raises:
        IadError: as `iad.data.decode.picture_size`.

    >>> import io
    >>> file = io.BytesIO()
    >>> Image.new("L", (60, 40), 128).save(file, "JPEG", quality=30)
    >>> look_of_file(file.getvalue(), "part.jpg", np.full((8, 8, 3), 128, np.uint8), max_megapixels=1)
    Look(width=60, height=40, coding='JPEG', quality=30, colour=False, bits=8)
    """
    size = picture_size(data, name, max_megapixels=max_megapixels)
    return _look(open_picture(data, name, max_megapixels=max_megapixels), size, pixels)


def stored_looks(archive: Path, names: Sequence[str], images: np.ndarray, *, max_megapixels: float) -> list[Look]:
    """The looks of original pictures.

    Args:
        archive: what `write_originals` wrote.
        names: of N of its pictures.
        images: uint8 `(N, S, S, 3)`, as they were prepared.
        max_megapixels: as in `iad.data.decode.decode`.

    Raises:
        IadError: if the file is missing or damaged, or lacks one of them.
    """
    with Originals(archive) as originals:
        return [
            look_of_file(data, name, pixels, max_megapixels=max_megapixels)
            for data, name, pixels in zip(originals.stream(names), names, images, strict=True)
        ]


def look_of(picture: Image.Image, name: str, pixels: np.ndarray) -> Look:
    """The look of a PIL picture; of one that was made in memory nobody knows what compression did to it.

    Args:
        picture: as it was given.
        name: what a refusal calls it.
        pixels: uint8 `(S, S, 3)`, what `iad.data.given.prepare` made of it.

    Raises:
        IadError: if its EXIF is damaged.

    >>> look_of(Image.new("L", (6, 4)), "x", np.zeros((2, 2, 3), np.uint8)).coding
    'memory'
    """
    try:
        sideways = picture.getexif().get(ORIENTATION) in SIDEWAYS
    except Exception as error:  # noqa: BLE001  # Pillow raises nearly anything on a torn EXIF
        raise damaged(name, error) from None
    return _look(picture, picture.size[::-1] if sideways else picture.size, pixels)


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


def _look(image: Image.Image, size: tuple[int, int], pixels: np.ndarray) -> Look:
    coding = _coding(image)
    table: dict[int, Any] = getattr(image, "quantization", None) or {}
    quality = _quality(sum(table[0])) if coding == "JPEG" and 0 in table else 0
    deep = is_16bit_grey(image) or is_16bit_colour(image)
    return Look(*size, coding, quality, bool((pixels != pixels[..., :1]).any()), 16 if deep else 8)


def _coding(image: Image.Image) -> Coding:
    match image.format:
        case None:
            return "memory"
        case "JPEG" | "MPO":
            return "JPEG"
        case "WEBP":
            return "WebP"
        case "TIFF" if "jpeg" in str(image.info.get("compression")):
            return "JPEG"
        case _:
            return "lossless"


def _quality(table: int) -> int:
    # the inverse of libjpeg's jpeg_quality_scaling: from 50 on a line, below it a hyperbola
    scale = 100 * table / STANDARD_TABLE
    return min(max(round(100 - scale / 2 if scale <= 100 else 5000 / scale), 1), 100)
