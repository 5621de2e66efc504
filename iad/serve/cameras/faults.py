"""What shows that a camera is broken, or its light: frames that are black, white, saturated or frozen.

Such a frame says nothing of its part, so there is no verdict on it: the part did not pass.
"""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image

from iad.bundles.pictures import PictureSet
from iad.data.decode import FULL_16BIT
from iad.serve.running.guard import FEW_LEVELS, colour_of
from iad.words import percent

FEW_PIXELS = 0.001  # of the darkest and the brightest are no matter: broken pixels of a sensor
EVERY = 4  # this many rows and columns are looked at one of
DARK, BRIGHT = 5, 250  # grey levels at which a sensor tells nothing more
GRID = 32


class Faults:
    """Looks at frames one after the other.

    Args:
        pictures: of the bundle: what is usual. A backlight makes much of a good picture white.
        white_16bit: the value of a 16-bit grey picture that becomes 255.
    """

    def __init__(self, pictures: PictureSet, white_16bit: int = FULL_16BIT) -> None:
        grids = pictures.grid_array()
        self._usual = {word: max(_shares(grids, word), default=0.0) for word in ENDS}
        self._white, self._before = white_16bit, ""

    def of(self, pixels: np.ndarray) -> tuple[str, tuple[int, int]]:
        """What is wrong with a frame, empty if nothing; and its darkest and brightest level, broken pixels aside.

        Args:
            pixels: as `iad.serve.cameras.frames.Camera.take`.
        """
        before, self._before = self._before, hashlib.sha256(pixels.tobytes()).hexdigest()
        grey = self._grey(pixels)
        low, high = (int(one) for one in np.quantile(grey[::EVERY, ::EVERY], [FEW_PIXELS, 1 - FEW_PIXELS]))
        if high - low <= FEW_LEVELS:
            return f"the frame is {colour_of((low, high))}; look at the camera and its light", (low, high)
        if before == self._before:
            return "the very same frame as before; the camera seems to be frozen", (low, high)
        return self._saturated(grey), (low, high)

    def _grey(self, pixels: np.ndarray) -> np.ndarray:
        """Levels 0 to 255, float32 or uint8 `(H, W)`; of a colour the brightest channel."""
        if pixels.ndim == 3:
            return np.asarray(pixels.max(axis=2))
        return pixels if pixels.dtype == np.uint8 else np.minimum(pixels * np.float32(255 / self._white), 255)

    def _saturated(self, grey: np.ndarray) -> str:
        small = Image.fromarray(grey.astype(np.uint8)).resize((GRID, GRID), Image.Resampling.BOX)
        for word, usual in self._usual.items():
            share = _shares(np.asarray(small)[None], word)[0]
            if share > (1 + usual) / 2:
                what = f"{percent(share)} of the frame is {word}, of good pictures at most {percent(usual)}"
                return f"{what}; look at the camera's exposure and its light"
        return ""


ENDS = ("white", "black")


def _shares(grids: np.ndarray, word: str) -> list[float]:
    """Of small grey pictures `(N, 32, 32)`, the share of each that is at an end of the scale."""
    ended = grids >= BRIGHT if word == "white" else grids <= DARK
    return [float(one) for one in ended.reshape(len(grids), -1).mean(axis=1)]
