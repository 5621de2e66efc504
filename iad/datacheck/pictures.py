"""A few numbers per picture, which all checks share, and pictures that stand out: blank, clipped, of another size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from iad.compute import usable_cores
from iad.data.image_size import ImageSize
from iad.datacheck.findings import Finding
from iad.progress import track
from iad.words import counted, percent

if TYPE_CHECKING:
    import pandas as pd

GRID = 32  # pixels on a side of the small grey version
BLOCK = 64  # pictures per task
LEVELS = np.arange(256)
BLANK_CONTRAST = 2.0
"""Grey levels of standard deviation; a picture of a dark chamber holds noise of less than one after resizing."""
STRETCHED = 3.0
"""From how many times as long as wide, in the picture as it was, a square patch shows something else."""
TINY = 16  # pixels: a shorter side than one patch of a backbone shows nothing
CLIPPED_MORE = 0.3
"""Share of black and white pixels above the median of the data set, since parts may be cut out on white."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """What is measured of N pictures.

    Attributes:
        grids: uint8 `(N, 32, 32)`, grey, each value the mean of an equal share of the picture.
        brightness: float64 `(N,)`, mean grey level, in [0, 255].
        contrast: float64 `(N,)`, standard deviation of the grey levels.
        clipped: float64 `(N,)`, share of pixels that are pure black or pure white.
        colour: float64 `(N,)`, mean distance between the largest and the smallest of the three channels, in [0, 255].
        brightest: float64 `(N,)`, the largest value of any channel, in [0, 255].
        size: of the prepared pictures.
    """

    grids: np.ndarray
    brightness: np.ndarray
    contrast: np.ndarray
    clipped: np.ndarray
    colour: np.ndarray
    brightest: np.ndarray
    size: ImageSize


def measure(images: np.ndarray, *, threads: int = 0) -> Statistics:
    """Measure every picture once.

    Args:
        images: uint8 `(N, H, W, 3)`, RGB; may be mapped from a file, of which 64 pictures per thread are held at once.
        threads: working threads; 0 means one for each core that this process may use.

    Example:
        >>> grey = np.full((2, 64, 64, 3), 100, np.uint8)
        >>> measured = measure(grey, threads=1)
        >>> measured.brightness, measured.contrast, measured.grids.shape
        (array([100., 100.]), array([0., 0.]), (2, 32, 32))
    """
    count = len(images)
    grids = np.empty((count, GRID, GRID), np.uint8)
    numbers = np.empty((count, 5))

    def measure_block(start: int) -> None:
        for row in range(start, min(start + BLOCK, count)):
            grids[row], numbers[row] = _measured(np.ascontiguousarray(images[row]))

    blocks = range(0, count, BLOCK)
    with ThreadPoolExecutor(threads or usable_cores()) as pool:
        for _ in track(pool.map(measure_block, blocks), "checking pictures", total=len(blocks), unit=" blocks"):
            pass
    brightness, contrast, clipped, colour, brightest = numbers.T.copy()
    return Statistics(grids, brightness, contrast, clipped, colour, brightest, ImageSize.of_arrays(images))


def is_blank(statistics: Statistics) -> np.ndarray:
    """Whether each picture shows nothing: its grey levels deviate by less than 2 of 255, bool `(N,)`.

    >>> is_blank(measure(np.full((1, 64, 64, 3), 9, np.uint8), threads=1))
    array([ True])
    """
    return np.asarray(statistics.contrast < BLANK_CONTRAST)


def check_pictures(manifest: pd.DataFrame, statistics: Statistics, explained: np.ndarray) -> Iterator[Finding]:
    """Find blank and clipped pictures, and those whose size is not that of most.

    Args:
        manifest: N rows, of which `image_id`, `width` and `height` are read.
        statistics: of the same N pictures.
        explained: bool `(N,)`, pictures whose light is odd for a reason that is told already.
    """
    ids, blank = manifest["image_id"].to_numpy(), is_blank(statistics) & ~explained
    if blank.any():
        what = f"{counted(int(blank.sum()), 'picture')} blank (nearly one grey level)"
        yield Finding("blank", what, ids[blank].tolist(), "nothing can be seen on them", "take them again")
    usual = float(np.median(statistics.clipped))
    clipped = ~is_blank(statistics) & ~explained & (statistics.clipped > usual + CLIPPED_MORE)
    if clipped.any():
        least, common = (percent(round(share, 3)) for share in (float(statistics.clipped[clipped].min()), usual))
        what = (
            f"{counted(int(clipped.sum()), 'picture')} over- or underexposed (pure white or black in at least {least} "
            f"of the pixels, usual here: {common})"
        )
        advice = "correct the exposure and take them again"
        yield Finding("saturated", what, ids[clipped].tolist(), "defects in these pixels are lost", advice)
    yield from check_sizes(manifest, statistics.size)


def check_sizes(manifest: pd.DataFrame, size: ImageSize) -> Iterator[Finding]:
    """Find pictures of an odd size, of an extreme shape, and of next to no pixels.

    Args:
        manifest: N rows, of which `image_id`, `width` and `height` are read.
        size: of the prepared pictures.
    """
    yield from _odd_sizes(manifest, size)
    yield from _stretched(manifest, size)
    yield from _tiny(manifest)


def _measured(pixels: np.ndarray) -> tuple[np.ndarray, tuple[float, ...]]:
    picture = Image.fromarray(pixels)
    grey = picture.convert("L")
    counts = np.array(grey.histogram(), dtype=np.float64) / grey.width / grey.height  # share of each grey level
    mean = float(counts @ LEVELS)
    deviation = float(np.sqrt(counts @ (LEVELS - mean) ** 2))
    small = np.asarray(picture.reduce(max(1, grey.width // GRID)), dtype=np.int16)
    colour = float((small.max(axis=2) - small.min(axis=2)).mean())
    grid = np.asarray(grey.resize((GRID, GRID), Image.Resampling.BOX))
    return grid, (mean, deviation, float(counts[0] + counts[255]), colour, float(pixels.max()))


def _odd_sizes(manifest: pd.DataFrame, size: ImageSize) -> Iterator[Finding]:
    sizes = list(zip(manifest["width"].tolist(), manifest["height"].tolist(), strict=True))
    (most, count), *others = Counter(sizes).most_common()
    effect = f"all become {size}, so that parts change their size or shape"
    if others and 2 * count > len(sizes):
        odd = [name for name, size in zip(manifest["image_id"], sizes, strict=True) if size != most]
        what = f"{counted(len(odd), 'picture')} not {most[0]} x {most[1]} px like the other {count}"
        yield Finding("odd_size", what, odd, effect, "crop or take them like the others")
    elif others:
        what = f"{len(others) + 1} sizes of pictures and none of more than half of them"
        yield Finding("mixed_sizes", what, [], effect, "crop all to one size and the same place of the part")


def _stretched(manifest: pd.DataFrame, size: ImageSize) -> Iterator[Finding]:
    sides = manifest[["width", "height"]].to_numpy()
    squeezed = sides[:, 0] / sides[:, 1] * size.height / size.width  # times as wide as prepared, or 1 / so many times
    ratio = np.maximum(squeezed, 1 / squeezed)
    if not (long := ratio >= STRETCHED).any():
        return
    row = int(np.flatnonzero(long)[np.argsort(ratio[long])[int(long.sum()) // 2]])  # of the median one
    (width, height), times = sides[row].tolist(), round(float(ratio[row]), 1)
    what = f"{counted(int(long.sum()), 'picture')} squeezed, such as one of {width} x {height} px into {size}"
    effect = f"a patch spans {times:g} times as much one way as the other there, and small defects are lost"
    advice = (
        "set preprocess.shape to pictures if most are like that; else cut them into pieces of the shape of the others; "
        "pieces of one picture belong into one split"
    )
    yield Finding("stretched", what, manifest["image_id"].to_numpy()[long].tolist(), effect, advice)


def _tiny(manifest: pd.DataFrame) -> Iterator[Finding]:
    sides = manifest[["width", "height"]].to_numpy()
    tiny = sides.min(axis=1) < TINY
    if tiny.any():
        width, height = sides[int(np.argmax(tiny))].tolist()
        what = f"{counted(int(tiny.sum()), 'picture')} of next to no pixels, such as {width} x {height} px"
        names = manifest["image_id"].to_numpy()[tiny].tolist()
        yield Finding("tiny", what, names, "nothing can be seen on them", "delete them, or export them in full size")
