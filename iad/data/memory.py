"""Pictures that are in memory already: arrays and PIL pictures, prepared as files are."""

from __future__ import annotations

import numpy as np
from PIL import Image

from iad.data.decode import FULL_16BIT, flatten
from iad.data.formats import ALPHA_MODES, COLOUR_MODES, GREY_MODES, is_16bit_grey
from iad.errors import IadError


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
        raise IadError(f"{name}: an empty picture ({image.width} x {image.height} px)")
    if image.width * image.height > max_megapixels * 1e6:
        raise IadError(f"{name}: more than {max_megapixels:g} megapixels; cut or shrink it")
    if image.mode not in (*GREY_MODES, *COLOUR_MODES, *ALPHA_MODES) and not is_16bit_grey(image):
        raise IadError(f"{name}: pixels of kind '{image.mode}' are not read; convert the picture to grey or RGB")
    small = flatten(image, white_16bit).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(small.convert("RGB"))


def _image(pixels: np.ndarray, name: str) -> Image.Image:
    grey = pixels.ndim == 2 and pixels.dtype in (np.uint8, np.uint16)
    if not grey and not (pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8):
        raise IadError(
            f"{name}: an array of {pixels.dtype} and the shape {pixels.shape}; give uint8 (height, width, 3) in RGB, "
            "or uint8 or uint16 (height, width)"
        )
    return Image.fromarray(np.ascontiguousarray(pixels))
