"""Grey levels that a data set does not use: values of 10, 12 or 14 bits in 16-bit files, or of few bits in 8-bit ones.

Such pictures come out nearly black, or clipped to white, and a method sees a few grey levels of each. They are not
taken wrongly; they are read on the wrong scale.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import numpy as np

from iad.compute import usable_cores
from iad.data.decode import FULL_16BIT
from iad.data.formats import is_16bit_colour, is_16bit_grey, open_picture
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

PNG_DEPTH = 24  # place of the byte that holds the bits per value


@dataclass(frozen=True, eq=False)
class Levels:
    """What the files of N pictures hold.

    Attributes:
        grey: bool `(N,)`, 16-bit grey.
        colour: bool `(N,)`, 16-bit colour, of which only the upper byte is read.
    """

    grey: np.ndarray
    colour: np.ndarray


def read_levels(archive_path: Path, manifest: pd.DataFrame) -> Levels:
    """Find the 16-bit pictures by their headers.

    Args:
        archive_path: the ZIP file of original pictures.
        manifest: N rows, of which `image_id`, `width` and `height` are read.
    """
    grey, colour = np.zeros((2, len(manifest)), dtype=bool)
    limit = _limit(manifest)
    with ZipFile(archive_path) as archive:
        for row, name in enumerate(manifest["image_id"].tolist()):
            if _may_hold_16_bits(archive, name):
                image = open_picture(archive.read(name), name, max_megapixels=limit)
                grey[row], colour[row] = is_16bit_grey(image), is_16bit_colour(image)
    return Levels(grey, colour)


def check_levels(
    archive_path: Path, manifest: pd.DataFrame, statistics: Statistics, white_16bit: int, *, threads: int = 0
) -> tuple[list[Finding], np.ndarray]:
    """Find pictures that are read on the wrong scale. Files are decoded again only where all of them look like that.

    Args:
        archive_path: the ZIP file of original pictures.
        manifest: N rows, as `read_manifest` gives them.
        statistics: of the same N pictures.
        white_16bit: the value of a 16-bit picture that became white.
        threads: decoding threads; 0 means one for each core that this process may use.

    Returns:
        What was found, and which pictures it concerns, bool `(N,)`: what else is odd about their light follows from it.
    """
    held = read_levels(archive_path, manifest)
    found: list[Finding] = []
    concerned = np.zeros(len(manifest), dtype=bool)
    for rows, kind in ((held.grey, "grey"), (held.colour, "colour"), (~held.grey & ~held.colour, "8-bit")):
        if finding := _of_kind(archive_path, manifest, statistics, rows, kind, white_16bit, threads):
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
    archive_path: Path, manifest: pd.DataFrame, statistics: Statistics, rows: np.ndarray, kind: str, white: int,
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
    values = _values(archive_path, names, _limit(manifest), white, threads)
    highest, above = int(values[:, 0].max()), float(values[:, 1].mean())
    if highest < white / 4:
        return _dark_16bit(highest, white, kind, names)
    return _clipped(highest, above, white, names) if may_be_clipped and above > CLIPPED else None


def _values(archive_path: Path, names: list[str], limit: float, white: int, threads: int) -> np.ndarray:
    """The brightest value of each 16-bit picture, and its share of pixels above white, float64 `(K, 2)`."""
    with ZipFile(archive_path) as archive, ThreadPoolExecutor(threads or usable_cores()) as pool:

        def measured(name: str) -> tuple[float, float]:
            image = open_picture(archive.read(name), name, max_megapixels=limit)
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


def _may_hold_16_bits(archive: ZipFile, name: str) -> bool:
    suffix = name.lower().rpartition(".")[2]
    if suffix != "png":
        return suffix in ("tif", "tiff")
    with archive.open(name) as file:
        return file.read(PNG_DEPTH + 1)[-1:] == b"\x10"


def _limit(manifest: pd.DataFrame) -> float:
    return float((manifest["width"] * manifest["height"]).max()) / 1e6
