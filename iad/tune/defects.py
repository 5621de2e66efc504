"""Defects painted on good pictures, to tell methods apart where no picture of a real defect may be looked at.

Moved pieces and scars are those of CutPaste (Li et al., CVPR 2021, section 2.2). Foreign texture in ragged spots is
that of DRAEM (Zavrtanik et al., ICCV 2021, section 3.1), but another good picture lends it, turned and recoloured, in
place of pictures from elsewhere. Cracks, stains, dents and smears are added. All are drawn from faint to plain and from
small to large, since defects that every method finds tell no two methods apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from scipy import ndimage

VISIBLE = 6  # in 8-bit levels: a defect changes some pixel by as much, or is drawn again
TRIES = 20
SMALLEST, LARGEST = 0.015, 0.12  # radius of a defect, in shares of the picture's short side
GREY = 3  # in 8-bit levels: channels differ by less in pictures without colour
FAINTEST = 0.15  # opacity of the faintest foreign spot

Painter: TypeAlias = Callable[[np.ndarray, np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
"""From a picture and another good one, float32 `(H, W, 3)` in 0 to 255, and the place (row, column) of the defect, to
the picture with a defect there."""


def paint(
    picture: np.ndarray, other: np.ndarray, kind: str, rng: np.random.Generator, region: np.ndarray | None = None
) -> np.ndarray:
    """Paint one defect on a good picture, rather where the picture has something to show than on an even ground.

    Args:
        picture: uint8 `(H, W, 3)`.
        other: another good picture of the same size, whose texture is borrowed.
        kind: a key of `KINDS`.
        rng: says which, where, how large and how plain.
        region: which pixels count, bool `(H, W)`; nothing is painted elsewhere; None: all do.

    Returns:
        uint8 `(H, W, 3)`; some pixel differs by `VISIBLE` levels, unless the picture is so even that nothing moved on
        it can be seen.

    >>> rng = np.random.default_rng(0)
    >>> good, other = rng.integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
    >>> {kind: bool((paint(good, other, kind, rng) != good).any()) for kind in KINDS}["crack"]
    True
    """
    source, foreign = picture.astype(np.float32), other.astype(np.float32)
    inside = np.ones(picture.shape[:2], dtype=bool) if region is None else region
    shares = _interest(source) * inside
    shares /= shares.sum()
    for _ in range(TRIES):
        place = np.array(np.unravel_index(rng.choice(shares.size, p=shares.ravel()), shares.shape))
        painted = KINDS[kind](source, foreign, place, rng)
        found = np.where(inside[..., None], np.clip(np.rint(painted), 0, 255).astype(np.uint8), picture)
        if np.abs(found.astype(np.int16) - picture).max() >= VISIBLE:
            break
    return found


def _interest(picture: np.ndarray) -> np.ndarray:
    """How likely a defect lies at each pixel, `(H, W)`, sum 1: by the local contrast, and anywhere with some chance."""
    grey = picture.mean(axis=2)
    reach = max(3.0, 0.03 * min(grey.shape))
    contrast = ndimage.gaussian_filter(ndimage.gaussian_gradient_magnitude(grey, 1.0), reach)
    likely = np.minimum(contrast, np.quantile(contrast, 0.9)) + 0.1 * contrast.mean() + 1e-6
    return np.asarray(likely / likely.sum())


def _radius(picture: np.ndarray, rng: np.random.Generator) -> float:
    """Small ones as often as large ones: even in its logarithm."""
    return float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))) * min(picture.shape[:2]))


def _spot(picture: np.ndarray, place: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """A ragged, longish spot with soft edges, float32 `(H, W)` in 0 to 1."""
    height, width = picture.shape[:2]
    rows, columns = np.ogrid[:height, :width]
    angle, longer = rng.uniform(0, np.pi), np.sqrt(rng.uniform(1, 3))
    y, x = (rows - place[0]) / radius, (columns - place[1]) / radius
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    ragged = ndimage.gaussian_filter(rng.standard_normal((height, width)), max(1.0, 0.35 * radius))
    distance = np.hypot(along / longer, across * longer) + 0.35 * ragged / ragged.std()
    return np.asarray(np.clip((1 - distance) * max(radius / 2, 1) + 0.5, 0, 1), np.float32)


def _tint(picture: np.ndarray, rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """A change of colour, float32 `(3,)`; of pictures without colour the same for all channels."""
    drawn = rng.uniform(low, high, 3).astype(np.float32)
    return drawn if np.ptp(picture, axis=2).max() > GREY else np.full(3, drawn[0], np.float32)


def _cover(picture: np.ndarray, share: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.asarray(picture + share[..., None] * (by - picture))


def _moved(picture: np.ndarray, _: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A rectangle of the picture from another place of it, turned and a little recoloured."""
    height, width = picture.shape[:2]
    radius = _radius(picture, rng)
    longer = np.sqrt(rng.uniform(1, 4))
    h, w = (int(np.clip(2 * radius * one, 2, side // 2)) for one, side in ((longer, height), (1 / longer, width)))
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    piece = picture[top : top + h, left : left + w][:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
    row, column = (
        int(np.clip(at - size // 2, 0, side - size))
        for at, size, side in zip(place, (h, w), (height, width), strict=True)
    )
    painted = picture.copy()
    painted[row : row + h, column : column + w] = piece * _tint(picture, rng, 0.85, 1.15)
    return painted


def _scar(picture: np.ndarray, other: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A straight thin stroke in a colour of another good picture."""
    short = min(picture.shape[:2])
    length, half = rng.uniform(0.04, 0.3) * short, max(0.5, rng.uniform(0.002, 0.012) * short)
    angle = rng.uniform(0, np.pi)
    ends = place + np.outer([-0.5, 0.5], length * np.array([np.sin(angle), np.cos(angle)]))
    colour = other[rng.integers(0, other.shape[0]), rng.integers(0, other.shape[1])]
    plain = np.float32(rng.uniform(2 * FAINTEST, 1))
    return _cover(picture, plain * _stroke(picture.shape[:2], ends, half), colour)


def _crack(picture: np.ndarray, _: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A thin line that wanders, darker or brighter than what it crosses."""
    short = min(picture.shape[:2])
    length, half = rng.uniform(0.05, 0.5) * short, max(0.5, rng.uniform(0.001, 0.006) * short)
    steps = 24
    angles = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.25, steps))
    path = place + np.cumsum(length / steps * np.stack([np.sin(angles), np.cos(angles)], axis=1), axis=0)
    share = _stroke(picture.shape[:2], path - (path[-1] - path[0]) / 2, half)
    change = rng.choice([-1, 1], p=[0.7, 0.3]) * rng.uniform(15, 90)
    return np.asarray(picture + share[..., None] * np.float32(change))


def _stroke(shape: tuple[int, ...], path: np.ndarray, half: float) -> np.ndarray:
    """How much of each pixel a line through these points covers, float32 `(H, W)`; `half` is half its width."""
    dense = np.concatenate([np.linspace(a, b, max(2, int(2 * np.hypot(*(b - a))))) for a, b in pairwise(path)])
    inside = np.rint(dense[((dense >= 0) & (dense <= np.array(shape[:2]) - 1)).all(axis=1)]).astype(int)
    off = np.ones(shape[:2], dtype=bool)
    off[inside[:, 0], inside[:, 1]] = False
    if off.all():
        return np.zeros(shape[:2], np.float32)
    return np.asarray(np.clip(half + 0.5 - ndimage.distance_transform_edt(off), 0, 1) * min(1.0, 2 * half), np.float32)


def _foreign(picture: np.ndarray, other: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A ragged spot of another good picture's texture, turned, moved and recoloured."""
    turned = np.roll(other[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])], rng.integers(0, other.shape[:2]), (0, 1))
    texture = (turned - turned.mean()) * rng.uniform(0.7, 1.6) + turned.mean() + _tint(picture, rng, -50, 50)
    spot = _spot(picture, place, _radius(picture, rng), rng)
    return _cover(picture, spot * np.float32(rng.uniform(FAINTEST, 1)), texture)


def _stain(picture: np.ndarray, _: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A spot with soft edges that is darker, brighter or of another hue."""
    radius = _radius(picture, rng)
    soft = ndimage.gaussian_filter(_spot(picture, place, radius, rng), 0.3 * radius)
    change = rng.choice([-1, 1]) * np.float32(rng.uniform(10, 60)) * _tint(picture, rng, 0.5, 1)
    return np.asarray(picture + soft[..., None] * change)


def _dent(picture: np.ndarray, _: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What lies around a place is drawn towards it, pushed away or turned about it."""
    height, width = picture.shape[:2]
    reach = 2 * _radius(picture, rng)
    y, x = np.mgrid[:height, :width].astype(np.float32) - place[:, None, None].astype(np.float32)
    strength = np.clip(1 - np.hypot(y, x) / reach, 0, None) ** 2
    turn, pull = rng.uniform(0.4, 1.5, 2) * rng.choice([-1, 1], 2) * rng.permutation([1.0, 0.3])
    angle, scale = turn * strength, 1 + pull * strength
    back = np.stack([scale * (y * np.cos(angle) - x * np.sin(angle)), scale * (y * np.sin(angle) + x * np.cos(angle))])
    back += place[:, None, None]
    return np.stack(
        [ndimage.map_coordinates(one, back, order=1, mode="reflect") for one in np.moveaxis(picture, 2, 0)], axis=2
    )


def _smear(picture: np.ndarray, _: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A spot where the texture is worn away."""
    radius = _radius(picture, rng)
    blurred = ndimage.gaussian_filter(picture, (rng.uniform(0.2, 1) * radius,) * 2 + (0,))
    return _cover(picture, _spot(picture, place, radius, rng), blurred)


KINDS: Mapping[str, Painter] = MappingProxyType({
    "moved": _moved, "scar": _scar, "crack": _crack, "foreign": _foreign, "stain": _stain, "dent": _dent,
    "smear": _smear,
})  # fmt: skip
"""What paints each kind of defect, by its name."""
