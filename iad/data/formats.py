"""A picture file opened, with everything that its header tells checked before a pixel is decoded.

What cannot be read faithfully is refused in one line: format, frames, kind of pixels, size.
"""

from __future__ import annotations

import io
import logging
import warnings
from enum import IntEnum
from pathlib import PurePosixPath
from threading import Lock
from typing import Any

from PIL import Image, UnidentifiedImageError

from iad.errors import IadError

FORMAT_OF_SUFFIX = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".bmp": "BMP", ".dib": "BMP",
    ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP",
}  # fmt: skip
FORMATS = tuple(sorted(set(FORMAT_OF_SUFFIX.values())))
UNREAD_SUFFIXES = frozenset({
    ".apng", ".arw", ".avif", ".cr2", ".dng", ".gif", ".heic", ".heif", ".ico", ".j2k", ".jp2", ".jxl", ".nef", ".pbm",
    ".pcx", ".pgm", ".pnm", ".ppm", ".psd", ".raw", ".tga",
})  # fmt: skip
"""Suffixes of pictures that are not read: a source refuses them, where it passes over other files."""

GREY_MODES = ("1", "L")
COLOUR_MODES = ("RGB", "RGBX", "P", "YCbCr")
ALPHA_MODES = ("RGBA", "LA", "PA")
SIGNATURES = {
    b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"BM": "BMP", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"GIF8": "GIF",
    b"%PDF": "PDF", b"8BPS": "PSD", b"PK\x03\x04": "ZIP", b"\0\0\x01\0": "ICO", b"\0\0\0\x0cjP": "JPEG 2000",
    b"<svg": "SVG", b"<!DO": "HTML", b"<html": "HTML",
}  # fmt: skip

# what is wrong with a picture is told below in one line; Pillow's warning (many pixels, torn EXIF) would be a second
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())

_RAISING = Lock()


def open_picture(data: bytes, name: str, *, max_megapixels: float) -> Image.Image:
    """Open a picture and check its header; no pixel is decoded yet.

    Args:
        data: The bytes of the file.
        name: What a refusal calls the picture; its suffix must tell the format of the content.
        max_megapixels: The largest accepted picture, in million pixels.

    Raises:
        IadError: if the content is empty, not a picture, not what its suffix says, animated, CMYK or too large.

    Example:
        >>> open_picture(b"GIF89a", "part.png", max_megapixels=100)
        Traceback (most recent call last):
        iad.errors.IadError: part.png: the content is GIF; save it as one of BMP, JPEG, PNG, TIFF, WEBP or delete it
    """
    if not data:
        raise IadError(f"{name}: empty file (0 bytes); copy the picture again or delete it")
    _let_pillow_open(int(max_megapixels * 1e6))
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise _not_read(data, name) from None
    except Image.DecompressionBombError:
        raise _too_large(name, max_megapixels) from None
    except Exception as error:  # noqa: BLE001  # Pillow raises nearly anything on a damaged header
        raise damaged(name, error) from None
    if image.width * image.height > max_megapixels * 1e6:
        raise _too_large(name, max_megapixels)
    _check_format(image, name)
    _check_content(image, name)
    return image


def _let_pillow_open(pixels: int) -> None:
    """Raise Pillow's own limit, at twice which it refuses, where it is lower.

    It holds for the whole process, so it is never lowered: another thread, or the program that uses this package, may
    count on it. The lock keeps two threads from raising it one after the other and the second to the lower value.
    """
    with _RAISING:
        if Image.MAX_IMAGE_PIXELS is not None and pixels > Image.MAX_IMAGE_PIXELS:
            Image.MAX_IMAGE_PIXELS = pixels


def _check_format(image: Image.Image, name: str) -> None:
    found = "JPEG" if image.format == "MPO" else str(image.format)  # MPO: a JPEG with previews, as phones write it
    suffix = PurePosixPath(name).suffix
    if FORMAT_OF_SUFFIX.get(suffix.lower()) != found:
        proper = next(known for known, kind in FORMAT_OF_SUFFIX.items() if kind == found)
        raise IadError(f"{name}: the content is {found}, not what '{suffix}' says; rename the file to {proper}")


def _check_content(image: Image.Image, name: str) -> None:
    try:
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    except Exception as error:  # noqa: BLE001  # as above: counting the pages of a TIFF reads their headers
        raise damaged(name, error) from None
    if frames > 1:
        raise IadError(f"{name}: animated or many-paged ({frames} frames); save one frame as its own picture")
    if image.mode == "CMYK":
        raise IadError(f"{name}: CMYK colours, which are for print; save it as RGB")
    if not has_known_pixels(image):
        raise IadError(f"{name}: pixels of kind '{image.mode}' are not read; save it as 8- or 16-bit grey or as RGB")


def _not_read(data: bytes, name: str) -> IadError:
    kind = next((kind for start, kind in SIGNATURES.items() if data.startswith(start)), None)
    if kind is None and data[4:8] == b"ftyp":
        kind = "HEIC, AVIF or video"
    if kind in FORMATS:
        return IadError(f"{name}: a damaged {kind} file; copy the picture again or delete it")
    content = f"the content is {kind}" if kind else "the content is not a picture"
    return IadError(f"{name}: {content}; save it as one of {', '.join(FORMATS)} or delete it")


def _too_large(name: str, max_megapixels: float) -> IadError:
    return IadError(f"{name}: more than {max_megapixels:g} megapixels; cut or shrink it, or raise data.max_megapixels")


def damaged(name: str, error: Exception) -> IadError:
    """The refusal of a picture on which Pillow failed.

    >>> print(damaged("part.png", OSError("image file is truncated")))
    part.png: cut short or damaged (image file is truncated); copy the picture again or delete it
    """
    reason = " ".join(str(error).split()) or type(error).__name__
    return IadError(f"{name}: cut short or damaged ({reason}); copy the picture again or delete it")


def has_known_pixels(image: Image.Image) -> bool:
    """Whether the pixels are of a kind that is read: grey, RGB, either with transparency, or 16-bit grey.

    >>> has_known_pixels(Image.new("RGBA", (2, 2))), has_known_pixels(Image.new("F", (2, 2)))
    (True, False)
    """
    return image.mode in (*GREY_MODES, *COLOUR_MODES, *ALPHA_MODES) or is_16bit_grey(image)


def is_16bit_grey(image: Image.Image) -> bool:
    """Whether the pixels are 16-bit grey.

    >>> is_16bit_grey(Image.new("I;16", (2, 2))), is_16bit_grey(Image.new("L", (2, 2)))
    (True, False)
    """
    return image.mode.startswith("I;16")


def is_16bit_colour(image: Image.Image) -> bool:
    """Whether the pixels are 16-bit colour; known only until they are decoded, when Pillow keeps the upper bytes."""
    tiles: list[Any] = getattr(image, "tile", [])  # Pillow has no such mode
    return image.format in ("PNG", "TIFF") and not is_16bit_grey(image) and ";16" in str(tiles)


class Depth(IntEnum):
    """What the values of a picture are made of."""

    BITS_8 = 0
    GREY_16 = 1
    COLOUR_16 = 2


def depth_of(image: Image.Image) -> Depth:
    """What the values of an opened picture are made of, known until it is decoded.

    >>> depth_of(Image.new("I;16", (2, 2))).name, depth_of(Image.new("RGB", (2, 2))).name
    ('GREY_16', 'BITS_8')
    """
    if is_16bit_grey(image):
        return Depth.GREY_16
    return Depth.COLOUR_16 if is_16bit_colour(image) else Depth.BITS_8
