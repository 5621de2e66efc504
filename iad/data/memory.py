"""Pictures that are in memory already: arrays and PIL pictures, prepared as files are."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageOps

from iad.data.decode import FULL_16BIT, flatten
from iad.data.formats import ALPHA_MODES, COLOUR_MODES, GREY_MODES, damaged, is_16bit_colour, is_16bit_grey
from iad.errors import IadError


def prepare(
    picture: np.ndarray | Image.Image, name: str, size: int, *, max_megapixels: float, white_16bit: int = FULL_16BIT
) -> np.ndarray:
    """Resize a picture in memory straight to a square, as `iad.data.decode.decode` does with a file.

    Args:
        picture: uint8 or uint16 `(H, W)`, uint8 `(H, W, 3)` RGB, or a PIL picture, which is turned upright as its EXIF
            asks; neither is changed.
        name: What a refusal calls it.
        size: S, the side of the result in pixels.
        max_megapixels: The largest accepted picture, in million pixels.
        white_16bit: The value of a 16-bit grey picture that becomes 255.

    Returns:
        uint8 `(S, S, 3)`, RGB.

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
    if image.mode not in (*GREY_MODES, *COLOUR_MODES, *ALPHA_MODES) and not is_16bit_grey(image):
        raise IadError(f"{name}: pixels of kind '{image.mode}' are not read; convert the picture to grey or RGB")
    if is_16bit_colour(image) and white_16bit != FULL_16BIT:
        raise IadError(f"{name}: 16-bit colour is read only where white is {FULL_16BIT}, not {white_16bit}")
    small = flatten(_upright(image, name), white_16bit).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(small.convert("RGB"))


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
    try:
        if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
            raise IadError(f"{name}: animated or many-paged ({image.n_frames} frames); give one frame")
        image.load()
        return ImageOps.exif_transpose(image)
    except (IadError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  # Pillow raises nearly anything on damaged content
        raise damaged(name, error) from None
