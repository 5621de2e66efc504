"""Pictures as people hand them over, one after the other: files, folders, arrays, PIL pictures; named and prepared."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from PIL import Image

from iad.data.decode import FULL_16BIT, decode
from iad.data.memory import prepare
from iad.data.pictures import PictureFile, find
from iad.errors import IadError

Picture: TypeAlias = str | os.PathLike[str] | PictureFile | np.ndarray | Image.Image
"""A file or a folder of them by its path; an array uint8 or uint16 (H, W) or uint8 (H, W, 3); or a PIL picture."""

ONE = (str, os.PathLike, PictureFile, np.ndarray, Image.Image)  # the same for isinstance

Errors: TypeAlias = Literal["raise", "return"]
"""What a picture does that cannot be had or read: raise its refusal, or return it."""


@dataclass(frozen=True, eq=False)
class Given:
    """One picture that was handed over.

    Attributes:
        image_id: its path below the folder that was named, its file's name, or its number among those given.
        path: its file, as it was named; None of an array or a PIL picture.
        pixels: uint8 `(S, S, 3)`, RGB; None where `error` is set.
        sha256: hex, of the file's bytes; empty of an array or a PIL picture.
        error: why it cannot be had or read, in one line; else empty.
    """

    image_id: str
    path: Path | None
    pixels: np.ndarray | None
    sha256: str = ""
    error: str = ""


def read_pictures(
    pictures: Picture | Iterable[Picture], size: int, *, errors: Errors = "raise", max_megapixels: float,
    white_16bit: int = FULL_16BIT,
) -> Iterator[Given]:  # fmt: skip
    """Read pictures and prepare them as the stage `preprocess` does, each when it is asked for.

    Args:
        pictures: one or many; of an array `(N, H, W, 3)`, its N pictures.
        size: S, the side of the results in pixels.
        errors: what a picture does that cannot be had or read.
        max_megapixels: the largest accepted picture, in million pixels.
        white_16bit: the value of a 16-bit grey picture that becomes 255.

    Raises:
        IadError: with "raise", naming the picture or the place.

    >>> [one.image_id for one in read_pictures(np.zeros((2, 4, 6, 3), np.uint8), 2, max_megapixels=1)]
    ['0', '1']
    """
    for image_id, one in _named(pictures, errors):
        path = one.path if isinstance(one, PictureFile) else None
        sha256 = ""
        try:
            if isinstance(one, IadError):
                raise one
            if isinstance(one, PictureFile):
                data = one.read()  # once: the next time it may be another file, or gone
                sha256 = hashlib.sha256(data).hexdigest()
                pixels = decode(data, str(path), size, max_megapixels=max_megapixels, white_16bit=white_16bit)
            else:
                name = f"picture {image_id}"
                pixels = prepare(one, name, size, max_megapixels=max_megapixels, white_16bit=white_16bit)
        except IadError as refusal:
            if errors == "raise":
                raise
            yield Given(image_id, path, None, sha256, str(refusal))
            continue
        yield Given(image_id, path, pixels, sha256)


def _named(pictures: Picture | Iterable[Picture], errors: Errors) -> Iterator[tuple[str, Any]]:
    """Each with its name: a `PictureFile`, something in memory, or the `IadError` of a place that is not there."""
    for number, one in enumerate(_each(pictures)):
        if isinstance(one, PictureFile):
            yield one.name, one
        elif isinstance(one, str | os.PathLike):
            try:
                found = find(Path(one))
            except IadError as refusal:
                if errors == "raise":
                    raise
                yield str(one), refusal
                continue
            yield from ((file.name, file) for file in found)
        else:
            yield str(number), one


def _each(pictures: Any) -> Iterable[Any]:
    many = isinstance(pictures, np.ndarray) and pictures.ndim == 4
    one = isinstance(pictures, ONE) or not isinstance(pictures, Iterable)
    return [pictures] if one and not many else pictures
