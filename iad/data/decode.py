"""Bytes of one picture or mask to a uint8 array; whatever cannot be read faithfully is refused in one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from iad.data.formats import (
    ALPHA_MODES,
    COLOUR_MODES,
    GREY_MODES,
    Depth,
    damaged,
    depth_of,
    is_16bit_colour,
    is_16bit_grey,
    open_picture,
)
from iad.data.image_size import GivenSize, ImageSize
from iad.errors import IadError
from iad.words import and_more, counted

FULL_16BIT = 65535
LOSSY = ("JPEG", "WEBP")
SIDEWAYS = (5, 6, 7, 8)  # the EXIF orientations that swap width and height
ORIENTATION = 274
PNG_EXIF = (b"eXIf", b"exif", b"Orientation")  # its chunk, the older text chunk, and XMP


class Header(NamedTuple):
    """What the header of a picture tells.

    Attributes:
        width: In pixels, as displayed (after the rotation that EXIF asks for).
        height: In pixels, as displayed.
        depth: What its values are made of.
    """

    width: int
    height: int
    depth: Depth


def read_header(data: bytes, name: str, *, max_megapixels: float) -> Header:
    """Check the header of a picture, without decoding it.

    Args:
        data: The bytes of the file.
        name: What a refusal calls the picture; its suffix must tell the format of the content.
        max_megapixels: The largest accepted picture, in million pixels.

    Raises:
        IadError: if the content is empty, not a picture, not what its suffix says, animated, CMYK or too large.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> Image.new("L", (6, 4)).save(file, "PNG")
        >>> read_header(file.getvalue(), "part.png", max_megapixels=100)
        Header(width=6, height=4, depth=<Depth.BITS_8: 0>)
    """
    image = open_picture(data, name, max_megapixels=max_megapixels)
    width, height = image.size[::-1] if _is_sideways(image, data, name) else image.size
    return Header(width, height, depth_of(image))


def picture_size(data: bytes, name: str, *, max_megapixels: float) -> tuple[int, int]:
    """Width and height of a picture in pixels, as displayed; see `read_header`.

    Raises:
        IadError: as `read_header`.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> Image.new("L", (6, 4)).save(file, "PNG")
        >>> picture_size(file.getvalue(), "part.png", max_megapixels=100)
        (6, 4)
    """
    return read_header(data, name, max_megapixels=max_megapixels)[:2]


def decode(
    data: bytes, name: str, size: GivenSize, *, max_megapixels: float, white_16bit: int = FULL_16BIT
) -> np.ndarray:
    """Decode a picture and resize it, bilinear with antialiasing, whatever its own shape.

    Transparent pixels are laid over white: what lies under
    them is arbitrary (often black), and white is what viewers show and what a cut-out product photograph means.

    Args:
        data: The bytes of the file.
        name: What a refusal calls the picture; its suffix must tell the format of the content.
        size: Of the result in pixels: height and width, or the side of a square.
        max_megapixels: The largest accepted picture, in million pixels.
        white_16bit: The value of a 16-bit grey picture that becomes 255; larger ones are clipped.

    Returns:
        uint8 (H, W, 3), RGB; the three channels of a grey picture are equal.

    Raises:
        IadError: as `picture_size`, and if the content is cut short or damaged, or is a 16-bit colour picture whose
            white is not 65535 (Pillow keeps only the upper byte of those).

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> Image.new("L", (60, 40), 128).save(file, "PNG")
        >>> picture = decode(file.getvalue(), "part.png", 32, max_megapixels=100)
        >>> picture.shape, picture[0, 0].tolist()
        ((32, 32, 3), [128, 128, 128])
    """
    flat = _flat(data, name, max_megapixels, white_16bit)
    # a grey picture gets its three channels last: the same bytes for a third of the work
    small = flat.resize(ImageSize.of(size)[::-1], Image.Resampling.BILINEAR)
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

    >>> import io
    >>> file = io.BytesIO()
    >>> Image.new("L", (60, 40), 128).save(file, "PNG")
    >>> decode_to_show(file.getvalue(), "part.png", 30, max_megapixels=100).shape
    (20, 30, 3)
    """
    flat = _flat(data, name, max_megapixels, white_16bit)
    flat.thumbnail((longest, longest), Image.Resampling.BILINEAR)
    return np.asarray(flat.convert("RGB"))


def decode_mask(data: bytes, name: str, size: GivenSize, *, max_megapixels: float) -> np.ndarray:
    """Decode a defect mask and reduce it.

    A pixel of the file is defective if it is not black; in JPEG and WebP, whose compression blurs black, if it is
    lighter than middle grey. A pixel of the result is defective if at least half of its area is. A defect too thin for
    that anywhere (an 8-connected region of touched pixels) keeps the pixels with at least half of its own largest
    coverage, so that no defect vanishes.

    Args:
        data: The bytes of the file.
        name: What a refusal calls the mask.
        size: Of the result in pixels: height and width, or the side of a square.
        max_megapixels: The largest accepted mask, in million pixels.

    Returns:
        uint8 (H, W), 1 where defective, else 0.

    Raises:
        IadError: as `decode`.

    Example:
        >>> import io
        >>> file, drawn = io.BytesIO(), Image.new("L", (64, 64))
        >>> drawn.paste(255, (0, 0, 64, 16))
        >>> drawn.save(file, "PNG")
        >>> decode_mask(file.getvalue(), "part_mask.png", 4, max_megapixels=100)[:, 0]
        array([1, 0, 0, 0], dtype=uint8)
    """
    image = open_picture(data, name, max_megapixels=max_megapixels)
    black = 127 if image.format in LOSSY else 0
    with damage_told(name):
        upright = _upright(image)
        if upright.mode in ALPHA_MODES or upright.has_transparency_data:
            upright = _over(upright, "black")
        elif upright.mode in COLOUR_MODES:
            upright = upright.convert("RGB")
    defective: np.ndarray = np.atleast_3d(np.asarray(upright)).max(axis=2) > black  # (height, width)
    return _reduce_mask(defective, ImageSize.of(size))


def masks_left_out(refusals: Sequence[str]) -> str:
    """What is said of masks that cannot be used: how many, and what is wrong with the first.

    >>> masks_left_out(["a.png: empty file (0 bytes)", "b.png: 3 x 4 px", "c.png: 3 x 4 px"])
    '3 masks are left out of pixel metrics: a.png: empty file (0 bytes) (and 2 more)'
    """
    many = counted(len(refusals), "mask is", "masks are")
    return f"{many} left out of pixel metrics: {refusals[0]}{and_more(len(refusals) - 1)}"


def _flat(data: bytes, name: str, max_megapixels: float, white_16bit: int) -> Image.Image:
    """The whole picture, upright, grey or RGB."""
    image = open_picture(data, name, max_megapixels=max_megapixels)
    if is_16bit_colour(image) and white_16bit != FULL_16BIT:
        raise IadError(
            f"{name}: 16-bit colour is read only with preprocess.white_16bit = {FULL_16BIT}, not {white_16bit}; "
            "save it as 8-bit colour or as 16-bit grey"
        )
    with damage_told(name):
        return flatten(_upright(image), white_16bit)


@contextmanager
def damage_told(name: str) -> Iterator[None]:
    """Refuse a picture whose damage takes Pillow by surprise, where it raises nearly anything.

    >>> with damage_told("a.png"):
    ...     raise AssertionError
    Traceback (most recent call last):
    iad.errors.IadError: a.png: cut short or damaged (AssertionError); copy the picture again or delete it
    """
    try:
        yield
    except (IadError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, the picture is to blame
        raise damaged(name, error) from None


def _is_sideways(image: Image.Image, data: bytes, name: str) -> bool:
    # Pillow turns the size of a TIFF itself; in a PNG the EXIF may stand last and cost a whole decoding, so it is
    # looked for first
    if image.format == "TIFF" or (image.format == "PNG" and not any(word in data for word in PNG_EXIF)):
        return False
    with damage_told(name):
        return image.getexif().get(ORIENTATION) in SIDEWAYS


def _upright(image: Image.Image) -> Image.Image:
    """Decode, and rotate as EXIF asks."""
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return image


def flatten(image: Image.Image, white_16bit: int) -> Image.Image:
    """A picture in 8 bits, grey or RGB: 16-bit levels reduced, transparent pixels laid over white.

    >>> levels = Image.fromarray(np.array([[0, 2048, 4095, 9000]], dtype=np.uint16))
    >>> np.asarray(flatten(levels, white_16bit=4095)).tolist()
    [[0, 128, 255, 255]]
    >>> flatten(Image.new("RGBA", (1, 1), (0, 0, 0, 0)), white_16bit=4095).getpixel((0, 0))  # nothing, over white
    (255, 255, 255)
    """
    if is_16bit_grey(image):
        levels = np.minimum(np.arange(FULL_16BIT + 1), white_16bit) * (255 / white_16bit)
        return Image.fromarray(np.rint(levels).astype(np.uint8)[np.asarray(image)])
    if image.has_transparency_data:
        return _over(image, "white")
    return image.convert("L" if image.mode in GREY_MODES else "RGB")


def _over(image: Image.Image, background: str) -> Image.Image:
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, background), layer).convert("RGB")


def _reduce_mask(defective: np.ndarray, size: ImageSize) -> np.ndarray:
    full = Image.fromarray(defective.astype(np.float32))
    coverage = np.asarray(full.resize(size[::-1], Image.Resampling.BOX))  # (H, W), share of the area in [0, 1]
    half = 0.5 - 1e-6  # the weights of the average are rounded
    if not coverage.any():
        return np.zeros(size, np.uint8)
    peak = _largest_of_region(coverage)
    limit = np.where(peak >= half, half, peak / 2)
    return ((coverage >= limit) & (coverage > 0)).astype(np.uint8)


def _largest_of_region(values: np.ndarray) -> np.ndarray:
    """For each non-zero pixel of (H, W), the largest value in its 8-connected region."""
    inside = values > 0
    largest: np.ndarray = values
    while True:
        padded = np.pad(largest, 1)
        rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])  # (H, W + 2)
        grown: np.ndarray = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]) * inside  # (H, W)
        if np.array_equal(grown, largest):
            return grown
        largest = grown
