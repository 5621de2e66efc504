"""Pictures as people hand them over, one after the other: files, folders, arrays, PIL pictures; named and prepared."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from PIL import Image, ImageOps

from iad.data.decode import FULL_16BIT, damage_told, decode, flatten, picture_size
from iad.data.formats import has_known_pixels, is_16bit_colour
from iad.data.image_size import GivenSize, ImageSize
from iad.data.labels import reads_as_bad
from iad.data.pictures import Look, PictureFile, find, look_of, look_of_file
from iad.data.region import as_region, find_region, grey_outside, is_region, kept, region_at
from iad.errors import IadError
from iad.progress import say

Picture: TypeAlias = str | os.PathLike[str] | PictureFile | np.ndarray | Image.Image
"""A file or a folder of them by its path; an array uint8 or uint16 (H, W) or uint8 (H, W, 3); or a PIL picture."""

GOOD = ("train/good", "good")  # where a folder has its good pictures, if it has such folders
APART = "calibration/good"
ONE = (str, os.PathLike, PictureFile, np.ndarray, Image.Image)  # the same for isinstance

Errors: TypeAlias = Literal["raise", "return"]
"""What a picture does that cannot be had or read: raise its refusal, or return it."""


@dataclass(frozen=True, eq=False)
class Given:
    """One picture that was handed over.

    Attributes:
        image_id: its path below the folder that was named, its file's name, or its number among those given.
        path: its file, as it was named; None of an array or a PIL picture.
        pixels: uint8 `(H, W, 3)`, RGB; None where `error` is set.
        sha256: hex, of the file's bytes; empty of an array or a PIL picture.
        error: why it cannot be had or read, in one line; else empty.
        look: how it was taken and saved; None where `error` is set.
    """

    image_id: str
    path: Path | None
    pixels: np.ndarray | None
    sha256: str = ""
    error: str = ""
    look: Look | None = None


def read_pictures(
    pictures: Picture | Iterable[Picture], size: GivenSize, *, errors: Errors = "raise", max_megapixels: float,
    white_16bit: int = FULL_16BIT, region: np.ndarray | None = None,
) -> Iterator[Given]:  # fmt: skip
    """Read pictures and prepare them as the stage `preprocess` does, each when it is asked for.

    Args:
        pictures: one or many; of an array `(N, H, W, 3)`, its N pictures.
        size: of the results in pixels: height and width, or the side of a square.
        errors: what a picture does that cannot be had or read.
        max_megapixels: the largest accepted picture, in million pixels.
        white_16bit: the value of a 16-bit grey picture that becomes 255.
        region: which pixels of a result count, bool `(H, W)`; the others become one grey; None: all do.

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
                with damage_told(str(path)):
                    found = decode(data, str(path), size, max_megapixels=max_megapixels, white_16bit=white_16bit)
                    pixels = grey_outside(found, region)
                    look = look_of_file(data, str(path), pixels, max_megapixels=max_megapixels)
            else:
                name = f"picture {image_id}"
                found = prepare(one, name, size, max_megapixels=max_megapixels, white_16bit=white_16bit)
                pixels = grey_outside(found, region)
                look = look_of(_image(one, name), name, pixels)
        except IadError as refusal:
            if errors == "raise":
                raise
            yield Given(image_id, path, None, sha256, str(refusal))
            continue
        yield Given(image_id, path, pixels, sha256, look=look)


def sizes_of(pictures: Picture | Iterable[Picture], *, max_megapixels: float) -> np.ndarray:
    """Height and width of pictures as displayed, int64 `(N, 2)`, from their headers alone.

    Args:
        pictures: as for `read_pictures`; an iterator is used up.
        max_megapixels: the largest accepted picture, in million pixels.

    Raises:
        IadError: naming the picture or the place.

    >>> sizes_of([np.zeros((4, 6), np.uint8)], max_megapixels=1).tolist()
    [[4, 6]]
    """
    found = []
    for image_id, one in _named(pictures, "raise"):
        if isinstance(one, PictureFile):
            width, height = picture_size(one.read(), str(one.path), max_megapixels=max_megapixels)
        else:
            width, height = _upright(_image(one, f"picture {image_id}"), f"picture {image_id}").size
        found.append((height, width))
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def region_given(
    roi: Any, folder: Path | None, pictures: Picture | Iterable[Picture], size: GivenSize, *, max_megapixels: float
) -> np.ndarray | None:
    """The region of interest of pictures that were handed over, bool `(H, W)`; None without one.

    Args:
        roi: a path, polygons or a mask, as `iad.data.region.as_region` takes them; None: what lies in the folder.
        folder: of the pictures; None: they come from nowhere.
        pictures: as for `read_pictures`; an iterator is used up.
        size: of prepared pictures.
        max_megapixels: the largest accepted picture, in million pixels.

    Raises:
        IadError: as `as_region` and `find_region`.
    """
    found = find_region(folder) if roi is None and folder is not None else roi
    if found is None:
        return None
    sizes = sizes_of(pictures, max_megapixels=max_megapixels)
    names = [name for name, _ in _named(pictures, "raise")]
    region = as_region(found, sizes, names, max_megapixels=max_megapixels)
    if roi is None:
        say(f"region of interest from {found}: {kept(region)}")
    return region_at(region, size, origin=str(found) if isinstance(found, str | Path) else "roi")


def good_and_apart(good: Any, calibration: Any) -> tuple[Any, Any]:
    """Good pictures to fit to, and those that set the threshold: where a folder is given, those that it names so.

    Args:
        good: a folder, by its path, or pictures, which stay as they are.
        calibration: the same of those that set the threshold; None: those of the folder, if it has any.

    Raises:
        IadError: if the folder, or one in it that would count as good, reads as defective.
    """
    if not isinstance(good, str | Path):
        return good, calibration
    folder = Path(good)
    if reads_as_bad(folder.resolve().name):
        raise IadError(f"{folder}: reads as defective pictures; give a folder of good ones, or rename it")
    if calibration is None and (folder / APART).is_dir():
        calibration = folder / APART
    named = next((folder / name for name in GOOD if (folder / name).is_dir()), None)
    if named is None and (strange := sorted(path.name for path in folder.glob("*/") if reads_as_bad(path.name))):
        raise IadError(
            f"{folder}: '{strange[0]}' reads as defective pictures, which would be learnt from; name the folder of "
            f"good ones, or call that {folder / 'good'}"
        )
    pictures = [one for one in find(folder) if not is_region(one.name)] if named is None else named
    return pictures, calibration


def prepare(
    picture: np.ndarray | Image.Image, name: str, size: GivenSize, *, max_megapixels: float,
    white_16bit: int = FULL_16BIT,
) -> np.ndarray:  # fmt: skip
    """Resize a picture in memory, as `iad.data.decode.decode` does with a file.

    Args:
        picture: uint8 or uint16 `(H, W)`, uint8 `(H, W, 3)` RGB, or a PIL picture, which is turned upright as its EXIF
            asks; neither is changed.
        name: What a refusal calls it.
        size: of the result in pixels: height and width, or the side of a square.
        max_megapixels: The largest accepted picture, in million pixels.
        white_16bit: The value of a 16-bit grey picture that becomes 255.

    Returns:
        uint8 `(H, W, 3)`, RGB.

    Raises:
        IadError: if it is no picture, empty, too large, cut short, animated, or of another shape, type or kind of
            pixels.

    >>> prepare(np.full((4, 6), 7, dtype=np.uint8), "x", 2, max_megapixels=1)[0, 0].tolist()
    [7, 7, 7]
    """
    image = _image(picture, name)
    if not image.width * image.height:
        raise IadError(f"{name}: an empty picture ({image.width} x {image.height} px)")
    if image.width * image.height > max_megapixels * 1e6:
        raise IadError(f"{name}: more than {max_megapixels:g} megapixels; cut or shrink it")
    if not has_known_pixels(image):
        raise IadError(f"{name}: pixels of kind '{image.mode}' are not read; convert the picture to grey or RGB")
    if is_16bit_colour(image) and white_16bit != FULL_16BIT:
        raise IadError(f"{name}: 16-bit colour is read only where white is {FULL_16BIT}, not {white_16bit}")
    small = flatten(_upright(image, name), white_16bit).resize(ImageSize.of(size)[::-1], Image.Resampling.BILINEAR)
    return np.asarray(small.convert("RGB"))


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
    one = isinstance(pictures, (*ONE, bytes)) or not isinstance(pictures, Iterable)  # bytes would be many numbers
    return [pictures] if one and not many else pictures


def _image(picture: Any, name: str) -> Image.Image:
    if isinstance(picture, Image.Image):
        return picture
    if not isinstance(picture, np.ndarray):
        raise IadError(f"{name}: of the type {type(picture).__name__}; give a path, an array or a PIL picture")
    grey = picture.ndim == 2 and picture.dtype in (np.uint8, np.uint16)
    if not grey and not (picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint8):
        raise IadError(
            f"{name}: an array of {picture.dtype} and the shape {picture.shape}; give uint8 (height, width, 3) in RGB, "
            "or uint8 or uint16 (height, width)"
        )
    if not picture.size:
        raise IadError(f"{name}: an empty picture ({picture.shape[1]} x {picture.shape[0]} px)")
    return Image.fromarray(np.ascontiguousarray(picture))


def _upright(image: Image.Image, name: str) -> Image.Image:
    """Decoded, if that was put off, and rotated as EXIF asks."""
    with damage_told(name):
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":
            raise IadError(f"{name}: animated or many-paged ({frames} frames); give one frame")
        image.load()
        return ImageOps.exif_transpose(image)
