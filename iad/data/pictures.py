"""Pictures that somebody hands to a detector: files, folders of them, arrays and PIL pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from iad.data.decode import FULL_16BIT, flatten
from iad.data.formats import FORMAT_OF_SUFFIX, UNREAD_SUFFIXES, has_known_pixels
from iad.data.tree import list_files, read_bytes
from iad.errors import IadError


@dataclass(frozen=True)
class PictureFile:
    """A picture on disk.

    Attributes:
        path: Where it lies.
        name: Its path below the folder that was named, posix, or the file's own name. Two folders may hold the same
            names; the paths tell them apart.
    """

    path: Path
    name: str

    def read(self) -> bytes:
        """The bytes of the file.

        Raises:
            IadError: if it has vanished or may not be read.
        """
        return read_bytes(self.path)

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of the file's bytes, as the manifest holds it; the file is read for it once.

        Raises:
            IadError: as `read`.
        """
        return hashlib.sha256(self.read()).hexdigest()


def find(paths: str | Path | Iterable[str | Path]) -> list[PictureFile]:
    """Find the pictures at one path or several: in the order given, those of a folder and the folders in it by name.

    A file counts as a picture whatever it is called, and so does every file of a folder with the suffix of a picture,
    of a kind that is read or not: what cannot be decoded is then told, where passing it over here would hide it.

    Raises:
        IadError: if a path leads nowhere, a folder holds no picture, or as `list_files`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("b.png", "a.jpg", "notes.txt"):
        ...         (Path(folder) / name).touch()
        ...     [picture.name for picture in find([folder, f"{folder}/b.png"])]
        ['a.jpg', 'b.png', 'b.png']
    """
    given = [paths] if isinstance(paths, str | Path) else paths
    return [picture for path in given for picture in _at(Path(path))]


def prepare(
    picture: np.ndarray | Image.Image, name: str, size: int, *, max_megapixels: float, white_16bit: int = FULL_16BIT
) -> np.ndarray:
    """Resize a picture in memory straight to a square, as `iad.data.decode.decode` does with a file.

    Args:
        picture: uint8 or uint16 `(H, W)`, uint8 `(H, W, 3)` RGB, or a PIL picture.
        name: What a refusal calls it.
        size: S, the side of the result in pixels.
        max_megapixels: The largest accepted picture, in million pixels.
        white_16bit: The value of a 16-bit grey picture that becomes 255.

    Returns:
        uint8 `(S, S, 3)`, RGB.

    Raises:
        IadError: if it is empty, too large, or of another shape, type or kind of pixels.

    >>> prepare(np.full((4, 6), 7, dtype=np.uint8), "x", 2, max_megapixels=1)[0, 0].tolist()
    [7, 7, 7]
    """
    image = _image(picture, name) if isinstance(picture, np.ndarray) else picture
    if not image.width * image.height:
        raise IadError(f"{name}: an empty picture ({image.width} x {image.height} px); give another one")
    if image.width * image.height > max_megapixels * 1e6:
        raise IadError(f"{name}: more than {max_megapixels:g} megapixels; cut or shrink it")
    if not has_known_pixels(image):
        raise IadError(f"{name}: pixels of kind '{image.mode}' are not read; convert the picture to grey or RGB")
    small = flatten(image, white_16bit).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(small.convert("RGB"))


def _at(given: Path) -> list[PictureFile]:
    if given.is_dir():
        names = {name: path for name, path in list_files(given) if _is_picture(path)}
        found = [PictureFile(names[name], name) for name in sorted(names)]
        if not found:
            raise IadError(f"{given}: no picture in this folder; name a folder or files with pictures")
        return found
    if given.is_file():
        return [PictureFile(given, given.name)]
    raise IadError(f"{given}: no such file or folder; name files or folders with pictures")


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in FORMAT_OF_SUFFIX or path.suffix.lower() in UNREAD_SUFFIXES


def _image(pixels: np.ndarray, name: str) -> Image.Image:
    grey = pixels.ndim == 2 and pixels.dtype in (np.uint8, np.uint16)
    if not grey and not (pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8):
        raise IadError(
            f"{name}: an array of {pixels.dtype} and the shape {pixels.shape}; give uint8 (height, width, 3) in RGB, "
            "or uint8 or uint16 (height, width)"
        )
    return Image.fromarray(np.ascontiguousarray(pixels))
