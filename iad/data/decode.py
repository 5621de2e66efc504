"""Bytes of one picture or mask to a uint8 array; whatever cannot be read faithfully is refused in one line.

Everything that the header tells (format, frames, colours, size) is checked before a pixel is decoded.
"""

from __future__ import annotations

import io
import logging
import warnings
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

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

PILLOW_LIMIT = Image.MAX_IMAGE_PIXELS or 0
FULL_16BIT = 65535
GREY_MODES = ("1", "L")
COLOUR_MODES = ("RGB", "RGBX", "P", "YCbCr")
ALPHA_MODES = ("RGBA", "LA", "PA")
LOSSY = ("JPEG", "WEBP")
SIDEWAYS = (5, 6, 7, 8)  # the EXIF orientations that swap width and height
ORIENTATION = 274
PNG_EXIF = (b"eXIf", b"exif", b"Orientation")  # its chunk, the older text chunk, and XMP
SIGNATURES = {
    b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"BM": "BMP", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"GIF8": "GIF",
    b"%PDF": "PDF", b"8BPS": "PSD", b"PK\x03\x04": "ZIP", b"\0\0\x01\0": "ICO", b"\0\0\0\x0cjP": "JPEG 2000",
    b"<svg": "SVG", b"<!DO": "HTML", b"<html": "HTML",
}  # fmt: skip

# what is wrong with a picture is told below in one line; Pillow's warning (many pixels, torn EXIF) would be a second
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())


def picture_size(data: bytes, name: str, *, max_megapixels: float) -> tuple[int, int]:
    """Check the header of a picture and tell its size, without decoding it.

    Args:
        data: The bytes of the file.
        name: What a refusal calls the picture; its suffix must tell the format of the content.
        max_megapixels: The largest accepted picture, in million pixels.

    Returns:
        Width and height in pixels, as displayed (after the rotation that EXIF asks for).

    Raises:
        IadError: if the content is empty, not a picture, not what its suffix says, animated, CMYK or too large.
    """
    image = _open(data, name, max_megapixels)
    width, height = image.size
    return (height, width) if _is_sideways(image, data, name) else (width, height)


def decode(data: bytes, name: str, size: int, *, max_megapixels: float, white_16bit: int = FULL_16BIT) -> np.ndarray:
    """Decode a picture and resize it straight to a square, bilinear with antialiasing.

    The aspect ratio is not kept, as in the original study. Transparent pixels are laid over white: what lies under
    them is arbitrary (often black), and white is what viewers show and what a cut-out product photograph means.

    Args:
        data: The bytes of the file.
        name: What a refusal calls the picture; its suffix must tell the format of the content.
        size: S, the side of the result in pixels.
        max_megapixels: The largest accepted picture, in million pixels.
        white_16bit: The value of a 16-bit grey picture that becomes 255; larger ones are clipped.

    Returns:
        uint8 (S, S, 3), RGB; the three channels of a grey picture are equal.

    Raises:
        IadError: as `picture_size`, and if the content is cut short or damaged, or is a 16-bit colour picture whose
            white is not 65535 (Pillow keeps only the upper byte of those).
    """
    flat = _flat(data, name, max_megapixels, white_16bit)
    # a grey picture gets its three channels last: the same bytes for a third of the work
    small = flat.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(small.convert("RGB"))


def decode_to_show(
    data: bytes, name: str, longest: int, *, max_megapixels: float, white_16bit: int = FULL_16BIT
) -> np.ndarray:
    """Decode a picture for people: at its own size and shape, or smaller.

    Args:
        data: as in `decode`.
        name: as in `decode`.
        longest: A larger picture is reduced to so many pixels on its longer side.
        max_megapixels: as in `decode`.
        white_16bit: as in `decode`.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        IadError: as `decode`.
    """
    flat = _flat(data, name, max_megapixels, white_16bit)
    flat.thumbnail((longest, longest), Image.Resampling.BILINEAR)
    return np.asarray(flat.convert("RGB"))


def decode_mask(data: bytes, name: str, size: int, *, max_megapixels: float) -> np.ndarray:
    """Decode a defect mask and reduce it to a square.

    A pixel of the file is defective if it is not black; in JPEG and WebP, whose compression blurs black, if it is
    lighter than middle grey. A pixel of the result is defective if at least half of its area is. A defect too thin for
    that anywhere (an 8-connected region of touched pixels) keeps the pixels with at least half of its own largest
    coverage, so that no defect vanishes.

    Args:
        data: The bytes of the file.
        name: What a refusal calls the mask.
        size: S, the side of the result in pixels.
        max_megapixels: The largest accepted mask, in million pixels.

    Returns:
        uint8 (S, S), 1 where defective, else 0.

    Raises:
        IadError: as `decode`.
    """
    image = _open(data, name, max_megapixels)
    black = 127 if image.format in LOSSY else 0
    upright = _upright(image, name)
    if upright.mode in ALPHA_MODES or upright.has_transparency_data:
        upright = _over(upright, "black")
    elif upright.mode in COLOUR_MODES:
        upright = upright.convert("RGB")
    defective: np.ndarray = np.atleast_3d(np.asarray(upright)).max(axis=2) > black  # (height, width)
    return _reduce_mask(defective, size)


def _open(data: bytes, name: str, max_megapixels: float) -> Image.Image:
    if not data:
        raise IadError(f"{name}: empty file (0 bytes); copy the picture again or delete it")
    # Pillow's own limit, which holds for the whole process, is only ever raised: at twice it Pillow refuses
    Image.MAX_IMAGE_PIXELS = max(PILLOW_LIMIT, int(max_megapixels * 1e6))
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise _not_read(data, name) from None
    except Image.DecompressionBombError:
        raise _too_large(name, max_megapixels) from None
    except Exception as error:  # noqa: BLE001  # Pillow raises nearly anything on a damaged header
        raise _damaged(name, error) from None
    if image.width * image.height > max_megapixels * 1e6:
        raise _too_large(name, max_megapixels)
    _check_format(image, name)
    _check_content(image, name)
    return image


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
        raise _damaged(name, error) from None
    if frames > 1:
        raise IadError(f"{name}: animated or many-paged ({frames} frames); save one frame as its own picture")
    if image.mode == "CMYK":
        raise IadError(f"{name}: CMYK colours, which are for print; save it as RGB")
    if image.mode not in (*GREY_MODES, *COLOUR_MODES, *ALPHA_MODES) and not _is_16bit_grey(image):
        raise IadError(f"{name}: pixels of kind '{image.mode}' are not read; save it as 8- or 16-bit grey or as RGB")


def _flat(data: bytes, name: str, max_megapixels: float, white_16bit: int) -> Image.Image:
    """The whole picture, upright, grey or RGB."""
    image = _open(data, name, max_megapixels)
    if _is_16bit_colour(image) and white_16bit != FULL_16BIT:
        raise IadError(
            f"{name}: 16-bit colour is read only with preprocess.white_16bit = {FULL_16BIT}, not {white_16bit}; "
            "save it as 8-bit colour or as 16-bit grey"
        )
    return _to_grey_or_rgb(_upright(image, name), white_16bit)


def _is_sideways(image: Image.Image, data: bytes, name: str) -> bool:
    # Pillow turns the size of a TIFF itself; in a PNG the EXIF may stand last and cost a whole decoding, so it is
    # looked for first
    if image.format == "TIFF" or (image.format == "PNG" and not any(word in data for word in PNG_EXIF)):
        return False
    try:
        return image.getexif().get(ORIENTATION) in SIDEWAYS
    except Exception as error:  # noqa: BLE001  # as above
        raise _damaged(name, error) from None


def _upright(image: Image.Image, name: str) -> Image.Image:
    """Decode, and rotate as EXIF asks."""
    try:
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # Pillow raises nearly anything on damaged content
        raise _damaged(name, error) from None
    return image


def _to_grey_or_rgb(image: Image.Image, white_16bit: int) -> Image.Image:
    if _is_16bit_grey(image):
        levels = np.minimum(np.arange(FULL_16BIT + 1), white_16bit) * (255 / white_16bit)
        return Image.fromarray(np.rint(levels).astype(np.uint8)[np.asarray(image)])
    if image.has_transparency_data:
        return _over(image, "white")
    return image.convert("L" if image.mode in GREY_MODES else "RGB")


def _over(image: Image.Image, background: str) -> Image.Image:
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, background), layer).convert("RGB")


def _is_16bit_grey(image: Image.Image) -> bool:
    return image.mode.startswith("I;16")


def _is_16bit_colour(image: Image.Image) -> bool:
    # known only before loading: Pillow has no such mode, it unpacks the upper bytes
    tiles: list[Any] = getattr(image, "tile", [])
    return image.format in ("PNG", "TIFF") and not _is_16bit_grey(image) and ";16" in str(tiles)


def _reduce_mask(defective: np.ndarray, size: int) -> np.ndarray:
    full = Image.fromarray(defective.astype(np.float32))
    coverage = np.asarray(full.resize((size, size), Image.Resampling.BOX))  # (S, S), share of the area in [0, 1]
    half = 0.5 - 1e-6  # the weights of the average are rounded
    if not coverage.any():
        return np.zeros((size, size), np.uint8)
    peak = _largest_of_region(coverage)
    limit = np.where(peak >= half, half, peak / 2)
    return ((coverage >= limit) & (coverage > 0)).astype(np.uint8)


def _largest_of_region(values: np.ndarray) -> np.ndarray:
    """For each non-zero pixel of (S, S), the largest value in its 8-connected region."""
    inside = values > 0
    largest: np.ndarray = values
    while True:
        padded = np.pad(largest, 1)
        rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])  # (S, S + 2)
        grown: np.ndarray = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]) * inside  # (S, S)
        if np.array_equal(grown, largest):
            return grown
        largest = grown


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


def _damaged(name: str, error: Exception) -> IadError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return IadError(f"{name}: cut short or damaged ({reason}); copy the picture again or delete it")
