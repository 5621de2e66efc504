"""A few numbers per picture, taken in one pass, which all data checks share."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from iad.progress import track

GRID = 32  # pixels on a side of the small grey version
BLOCK = 64  # pictures per task
LEVELS = np.arange(256)


@dataclass(frozen=True, eq=False)
class Statistics:
    """What is measured of N pictures.

    Attributes:
        grids: uint8 `(N, 32, 32)`, grey, each value the mean of an equal share of the picture.
        brightness: float64 `(N,)`, mean grey level, in [0, 255].
        contrast: float64 `(N,)`, standard deviation of the grey levels.
        clipped: float64 `(N,)`, share of pixels that are pure black or pure white.
        colour: float64 `(N,)`, mean distance between the largest and the smallest of the three channels, in [0, 255].
    """

    grids: np.ndarray
    brightness: np.ndarray
    contrast: np.ndarray
    clipped: np.ndarray
    colour: np.ndarray


def measure(images: np.ndarray, *, threads: int = 0) -> Statistics:
    """Measure every picture once.

    Args:
        images: uint8 `(N, S, S, 3)`, RGB; may be mapped from a file, of which 64 pictures per thread are held at once.
        threads: working threads; 0 means one for each core that this process may use.

    Example:
        >>> grey = np.full((2, 64, 64, 3), 100, np.uint8)
        >>> measured = measure(grey, threads=1)
        >>> measured.brightness, measured.contrast, measured.grids.shape
        (array([100., 100.]), array([0., 0.]), (2, 32, 32))
    """
    count = len(images)
    grids = np.empty((count, GRID, GRID), np.uint8)
    numbers = np.empty((count, 4))

    def measure_block(start: int) -> None:
        for row in range(start, min(start + BLOCK, count)):
            grids[row], numbers[row] = _measured(np.ascontiguousarray(images[row]))

    for _ in _in_threads(measure_block, range(0, count, BLOCK), threads):
        pass
    return Statistics(grids, *numbers.T.copy())


def _in_threads(work: object, starts: range, threads: int) -> Iterator[None]:
    from iad.compute import usable_cores  # while it imports PyTorch, only here

    with ThreadPoolExecutor(threads or usable_cores()) as pool:
        yield from track(pool.map(work, starts), "checking pictures", total=len(starts), unit=" blocks")  # type: ignore[arg-type]


def _measured(pixels: np.ndarray) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    picture = Image.fromarray(pixels)
    grey = picture.convert("L")
    counts = np.array(grey.histogram(), dtype=np.float64) / grey.width / grey.height  # share of each grey level
    mean = float(counts @ LEVELS)
    deviation = float(np.sqrt(counts @ (LEVELS - mean) ** 2))
    small = np.asarray(picture.reduce(max(1, grey.width // GRID)), dtype=np.int16)
    colour = float((small.max(axis=2) - small.min(axis=2)).mean())
    grid = np.asarray(grey.resize((GRID, GRID), Image.Resampling.BOX))
    return grid, (mean, deviation, float(counts[0] + counts[255]), colour)
