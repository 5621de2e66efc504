"""Grey levels that a data set does not use: values of 10, 12 or 14 bits in 16-bit files, or of few bits in 8-bit ones.

Such pictures come out nearly black, or clipped to white, and a method sees a few grey levels of each. They are not
taken wrongly; they are read on the wrong scale.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from iad.compute import usable_cores
from iad.data.decode import FULL_16BIT
from iad.data.formats import Depth, is_16bit_grey, open_picture
from iad.data.originals import Originals
from iad.datacheck.findings import Finding
from iad.datacheck.pictures import Statistics
from iad.words import counted, percent

if TYPE_CHECKING:
    import pandas as pd

BITS = (8, 10, 12, 14, 16)
"""Of the cameras that there are."""

DARK = 64
"""Of 255: where no picture is above this grey level, values of 14 bits or fewer may have been read as 16."""

CLIPPED = 0.001
"""Share of the pixels above white from which on it is no matter of single bright pixels."""

KINDS = {Depth.GREY_16: "grey", Depth.COLOUR_16: "colour", Depth.BITS_8: "8-bit"}


def check_levels(
    originals: Originals, manifest: pd.DataFrame, statistics: Statistics, white_16bit: int, *, threads: int = 0
) -> tuple[list[Finding], np.ndarray]:
    """Find pictures that are read on the wrong scale. Files are decoded again only where all of them look like that.

    Args:
        originals: the original pictures.
        manifest: N rows, as `read_manifest` gives them.
        statistics: of the same N pictures.
        white_16bit: the value of a 16-bit picture that became white.
        threads: decoding threads; 0 means one for each core that this process may use.

    Returns:
        What was found, and which pictures it concerns, bool `(N,)`: what else is odd about their light follows from it.
    """
    depths = originals.depths(manifest["image_id"].tolist(), max_megapixels=_limit(manifest))
    found: list[Finding] = []
    concerned = np.zeros(len(manifest), dtype=bool)
    for depth, kind in KINDS.items():
        rows = depths == depth
        if finding := _of_kind(originals, manifest, statistics, rows, kind, white_16bit, threads):
            found.append(finding)
            concerned |= rows
    return found, concerned


def bits_of(brightest: int) -> int:
    """The bits of the camera with the fewest that can give this value.

    >>> bits_of(255), bits_of(256), bits_of(4095), bits_of(9000), bits_of(65535)
    (8, 10, 12, 14, 16)
    """
    return next(bits for bits in BITS if brightest < 2**bits)


def _of_kind(
    originals: Originals, manifest: pd.DataFrame, statistics: Statistics, rows: np.ndarray, kind: str, white: int,
    threads: int,
) -> Finding | None:  # fmt: skip
    if not rows.any():
        return None
    names = manifest["image_id"].to_numpy()[rows].tolist()
    brightest = int(statistics.brightest[rows].max())
    if kind == "8-bit":
        return _dark_8bit(brightest, names) if brightest < DARK else None
    may_be_clipped = kind == "grey" and white < FULL_16BIT and bool((statistics.brightest[rows] == 255).any())
    if brightest > DARK and not may_be_clipped:
        return None
    values = _values(originals, names, _limit(manifest), white, threads)
    highest, above = int(values[:, 0].max()), float(values[:, 1].mean())
    if highest < white / 4:
        return _dark_16bit(highest, white, kind, names)
    return _clipped(highest, above, white, names) if may_be_clipped and above > CLIPPED else None


def _values(originals: Originals, names: list[str], limit: float, white: int, threads: int) -> np.ndarray:
    """The brightest value of each 16-bit picture, and its share of pixels above white, float64 `(K, 2)`."""
    with ThreadPoolExecutor(threads or usable_cores()) as pool:

        def measured(name: str) -> tuple[float, float]:
            image = open_picture(originals.read(name), name, max_megapixels=limit)
            pixels = np.asarray(image)
            if is_16bit_grey(image):
                return float(pixels.max()), float((pixels > white).mean())
            return float(pixels.max()) * 256 + 255, 0.0  # colour: the upper byte is all there is

        return np.array(list(pool.map(measured, names)))


def _dark_16bit(highest: int, white: int, kind: str, names: list[str]) -> Finding:
    bits = bits_of(highest)
    what = (
        f"no value of {counted(len(names), f'16-bit {kind} picture')} is above {highest:,}, where {white:,} is white: "
        f"they are read as nearly black, in {highest * 255 // white + 1} of 256 grey levels"
    )
    effect = "most of what they show is lost"
    if kind == "colour":
        advice = f"they look like {bits} bits in a 16-bit file: save them as 8-bit colour, scaled to its full range"
    else:
        advice = f"set preprocess.white_16bit to {2**bits - 1} ({bits} bits)"
    return Finding("white_16bit", what, names, effect, advice)


def _clipped(highest: int, above: float, white: int, names: list[str]) -> Finding:
    bits = bits_of(highest)
    what = (
        f"values of {counted(len(names), '16-bit grey picture')} reach {highest:,}, where {white:,} is white: "
        f"{percent(above)} of the pixels are above it"
    )
    advice = f"set preprocess.white_16bit to {2**bits - 1} ({bits} bits)"
    return Finding("white_16bit", what, names, "all of that is read as white, and lost", advice)


def _dark_8bit(brightest: int, names: list[str]) -> Finding:
    what = f"no pixel of {counted(len(names), '8-bit picture')} is brighter than {brightest} of 255"
    effect = "most grey levels are not used, so that little can be seen"
    advice = "raise the exposure, or, if they were taken in more bits, save them again, scaled to the full range of 8"
    return Finding("dark", what, names, effect, advice)


def _limit(manifest: pd.DataFrame) -> float:
    return float((manifest["width"] * manifest["height"]).max()) / 1e6
