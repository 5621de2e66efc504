"""A woven carpet, drawn by arithmetic, with five kinds of defect and their exact masks.

The kinds are named after those of MVTec AD's carpet. Every picture differs from every other in the shade of its
threads, their twist, the rotation and shift of the weave, the light and the noise of the camera, so that a method has
to learn what is normal. All arrays are float32: a Python float beside one does not widen it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

Grid: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Row and column of every pixel in sides of the picture, 0 to 1: float32 (S, 1) and (1, S), or both (S, S)."""

WARP = np.array([168, 157, 140], np.float32)
WEFT = np.array([122, 113, 103], np.float32)
FLOOR = np.array([30, 28, 26], np.float32)  # what shows through the carpet
SHADOW = np.array([20, 18, 16], np.float32)
METAL = np.array([0.97, 0.99, 1.0], np.float32)
DYES = np.array([[1.0, 0.55, 0.5], [0.55, 0.7, 1.05], [0.6, 0.5, 0.4], [0.65, 0.95, 0.6]], np.float32)
YARNS = np.array([[236, 230, 216], [196, 70, 60], [70, 90, 150], [240, 214, 120]], np.float32)
PIXELS_PER_THREAD = 8
FEWEST_THREADS, MOST_THREADS = 6, 40
NOISE = 2.5  # standard deviation, in 8-bit levels
VISIBLE = 8  # in 8-bit levels: a smaller change is no defect, and is undone


def draw(seed: int, stream: int, index: int, size: int, defect: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Draw one carpet; the same arguments give the same picture.

    Args:
        seed: Of the data set.
        stream: Which series of pictures; the series of one seed are independent.
        index: Of the picture in its series.
        size: S, its side in pixels.
        defect: A key of `DEFECTS`, or None for a good carpet.

    Returns:
        The picture, uint8 (S, S, 3), and its mask, uint8 (S, S): 1 exactly where the picture differs from the good
        carpet of the same arguments (and there by at least 8 levels in one channel), else 0.

    Example:
        >>> good, _ = draw(seed=0, stream=1, index=0, size=64, defect=None)
        >>> bad, mask = draw(seed=0, stream=1, index=0, size=64, defect="hole")
        >>> bool(((good != bad).any(axis=2) == mask).all())
        True
    """
    rng = np.random.default_rng((seed, stream, index))
    carpet = _weave(size, rng)
    noise = rng.standard_normal((size, size, 1), dtype=np.float32) * NOISE
    good = _quantize(carpet + noise)
    if defect is None:
        return good, np.zeros((size, size), np.uint8)
    bad = _quantize(DEFECTS[defect](carpet, _grid(size), rng) + noise)
    changed = np.abs(bad.astype(np.int16) - good).max(axis=2) >= VISIBLE
    return np.where(changed[..., None], bad, good), changed.astype(np.uint8)


def _weave(size: int, rng: np.random.Generator) -> np.ndarray:
    """A good carpet without the camera's noise, float32 (S, S, 3)."""
    y, x = _grid(size)
    count = int(np.clip(size / PIXELS_PER_THREAD, FEWEST_THREADS, MOST_THREADS))
    angle, bend_u, bend_v = rng.normal(0, (0.02, 0.008, 0.008)).tolist()
    wave_u, wave_v = rng.uniform(0, 2 * np.pi, 2).tolist()
    shift_u, shift_v = (rng.uniform(0, 1, 2) + count).tolist()  # by `count`, so that thread numbers are positive
    u = count * (x + angle * y + bend_u * np.sin(6 * y + wave_u)) + shift_u  # (S, S), across the warp, in threads
    v = count * (y - angle * x + bend_v * np.sin(6 * x + wave_v)) + shift_v  # (S, S), across the weft, in threads
    i, j = u.astype(np.int32), v.astype(np.int32)
    a, b = u - i.astype(np.float32) - 0.5, v - j.astype(np.float32) - 0.5  # position within the thread, -0.5 to 0.5
    shade = rng.normal(1, 0.06, (2, 3 * count)).astype(np.float32)
    twist = rng.uniform(0, 2 * np.pi, (2, 3 * count)).astype(np.float32)
    light = _light(y, x, rng)
    warp = light * shade[0, i] * _yarn(a, b, twist[0, i])
    weft = light * shade[1, j] * _yarn(b, a, twist[1, j])
    warp_above = ((i + j) & 1).astype(bool)
    carpet: np.ndarray = np.where(warp_above[..., None], warp[..., None] * WARP, weft[..., None] * WEFT)
    return carpet


def _yarn(across: np.ndarray, along: np.ndarray, twist: np.ndarray) -> np.ndarray:
    """Brightness of a yarn that is round across, dives under its neighbours along, and is spun of slanting fibres."""
    roundness = 1 - 1.9 * across * across
    dive = 1.06 - 0.9 * along * along
    brightness: np.ndarray = roundness * dive * (1 + 0.07 * np.sin(14 * along + 8 * across + twist))
    return brightness


def _light(y: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    exposure, slope_y, slope_x = rng.normal((1, 0, 0), (0.03, 0.08, 0.08)).tolist()
    light: np.ndarray = exposure + slope_y * (y - 0.5) + slope_x * (x - 0.5)
    return light


def _hole(carpet: np.ndarray, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    inside = _blob(grid, rng, radius=rng.uniform(0.03, 0.07), raggedness=0.2)
    return _cover(carpet, inside, FLOOR * rng.uniform(0.6, 1.4))


def _color(carpet: np.ndarray, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    inside = _blob(grid, rng, radius=rng.uniform(0.05, 0.12), raggedness=0.35)
    return _cover(carpet, inside * rng.uniform(0.5, 1), carpet * rng.choice(DYES))


def _cut(carpet: np.ndarray, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    along, across = _rotated_axes(grid, rng)
    half = rng.uniform(0.06, 0.16)
    bow = rng.normal(0, 0.8) * (along * along - half * half)
    gape = rng.uniform(0.006, 0.012) * (1 - np.square(along / half))  # widest in the middle, closed at the ends
    return _cover(carpet, _edge(gape - np.abs(across - bow)), FLOOR)


def _thread(carpet: np.ndarray, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    along, across = _rotated_axes(grid, rng)
    half, width = rng.uniform(0.1, 0.3), rng.uniform(0.005, 0.009)
    off = across - rng.uniform(0.01, 0.05) * np.sin(along * 9 + rng.uniform(0, 6))
    ends = half - np.abs(along)
    shadow = 0.45 * _edge(np.minimum(2 * width - np.abs(off - width), ends))
    inside = _edge(np.minimum(width - np.abs(off), ends))
    gloss = 1 - 0.35 * np.square(np.clip(off / width, -1, 1))
    return _cover(_cover(carpet, shadow, SHADOW), inside, gloss[..., None] * rng.choice(YARNS))


def _metal_contamination(carpet: np.ndarray, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    inside = _blob(grid, rng, radius=rng.uniform(0.014, 0.035), raggedness=0.45)
    along, _ = _rotated_axes(grid, rng)
    glint = 205 + 50 * np.sin(along * 70)
    return _cover(carpet, inside, glint[..., None] * METAL)


DEFECTS: dict[str, Callable[[np.ndarray, Grid, np.random.Generator], np.ndarray]] = {
    "color": _color,
    "cut": _cut,
    "hole": _hole,
    "metal_contamination": _metal_contamination,
    "thread": _thread,
}
"""Each takes a carpet, float32 (S, S, 3), and returns it with one defect."""


def _grid(size: int) -> Grid:
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size
    return steps[:, None], steps[None, :]


def _rotated_axes(grid: Grid, rng: np.random.Generator) -> Grid:
    """Coordinates (S, S) along and across a random direction, from a random point away from the border."""
    y, x = grid[0] - rng.uniform(0.2, 0.8), grid[1] - rng.uniform(0.2, 0.8)
    angle = rng.uniform(0, np.pi)
    cosine, sine = float(np.cos(angle)), float(np.sin(angle))
    return cosine * x + sine * y, cosine * y - sine * x


def _blob(grid: Grid, rng: np.random.Generator, *, radius: float, raggedness: float) -> np.ndarray:
    """How much of each pixel lies inside a ragged disc, (S, S)."""
    y, x = _rotated_axes(grid, rng)
    around = np.arctan2(y, x)
    reach = np.ones_like(around)
    for waves in (2, 3, 5, 7):
        depth = raggedness * rng.uniform(-1, 1) / waves**0.7
        reach += depth * np.sin(waves * around + rng.uniform(0, 6))
    smallest = 1.2 / len(around)  # so that the defect shows in tiny pictures too
    return _edge(max(radius, smallest) * reach - np.sqrt(x * x + y * y))


def _edge(depth: np.ndarray) -> np.ndarray:
    """How much of a pixel is covered, 0 to 1, when its centre lies `depth` sides of the picture inside a border."""
    covered: np.ndarray = np.clip(depth * len(depth) + 0.5, 0, 1)
    return covered


def _cover(carpet: np.ndarray, share: np.ndarray, colour: np.ndarray) -> np.ndarray:
    covered: np.ndarray = carpet + share[..., None] * (colour - carpet)
    return covered


def _quantize(picture: np.ndarray) -> np.ndarray:
    levels: np.ndarray = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return levels
