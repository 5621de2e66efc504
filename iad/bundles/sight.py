"""What a picture shows at a glance beside those of a bundle: how light, sharp, turned or moved, in eight numbers.

A small grey version of 32 x 32 px is explained by the mean of those of the bundle: by its level and its contrast, moved
across and down, turned, enlarged, each to first order (Lucas and Kanade 1981), by least squares. What that leaves is
the rest: another product, another view, or nothing at all to explain. Parts that lie in any direction have a mean
that is round, and their numbers vary much; so a number is told only where it is far from what is usual of the bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from iad.bundles.pictures import PictureSet, sharpness_of
from iad.datacheck.pictures import GRID

TRAITS = ("light", "contrast", "across", "down", "turn", "size", "rest", "sharpness")
"""Mean grey level in [0, 255]; contrast, 1 being usual; moved right and down, in shares of the side; turned clockwise,
in degrees; larger by a share; root mean square of what is not explained, in grey levels; share of the grey levels'
deviation that is between neighbouring pixels."""

_AXIS = (np.arange(GRID) + 0.5) / GRID - 0.5
_DOWN, _ACROSS = np.meshgrid(_AXIS, _AXIS, indexing="ij")
_FAINT = 1e-9  # grey levels; a mean of one grey has no direction


@dataclass(frozen=True, eq=False)
class Usual:
    """The traits of the bundle's pictures.

    Attributes:
        middle: float64 `(8,)`, the median of each, in the order of `TRAITS`; NaN where none is known.
        spread: float64 `(8,)`, standard deviation, from the quartiles.
    """

    middle: np.ndarray
    spread: np.ndarray


class Sights:
    """Measures pictures beside those of a bundle.

    Args:
        pictures: of the bundle.
    """

    def __init__(self, pictures: PictureSet) -> None:
        shown = pictures.take(np.flatnonzero(pictures.grid_array().any(axis=(1, 2))))
        grids = shown.grid_array().astype(np.float64)
        self._mean = grids.mean(axis=0) if len(grids) else np.zeros((GRID, GRID))
        self._basis = _basis(self._mean)
        self._solve = np.linalg.pinv(self._basis)
        sharpness = np.array([np.nan if one is None else one for one in shown.sharpness])
        traits = [self._traits(*one) for one in zip(grids, sharpness, strict=True)]
        self.usual = _usual(np.array(traits).reshape(-1, len(TRAITS)))

    def of(self, pixels: np.ndarray) -> tuple[float, ...]:
        """The traits of a prepared picture, in the order of `TRAITS`.

        Args:
            pixels: uint8 `(S, S, 3)`, RGB.
        """
        grey = Image.fromarray(pixels).convert("L")
        grid = np.asarray(grey.resize((GRID, GRID), Image.Resampling.BOX), dtype=np.float64)
        return self._traits(grid, sharpness_of(np.asarray(grey)))

    def _traits(self, grid: np.ndarray, sharpness: float) -> tuple[float, ...]:
        away = (grid - self._mean).reshape(-1)
        _, more, across, down, turn, size = found = self._solve @ away
        contrast = 1 + more
        rest = float(np.sqrt(np.mean((away - self._basis @ found) ** 2)))
        # with less contrast the same movement changes less
        moved = (one / max(contrast, 0.1) for one in (across, down, np.degrees(turn), size))
        return float(grid.mean()), float(contrast), *map(float, moved), rest, float(sharpness)


def _basis(mean: np.ndarray) -> np.ndarray:
    """What a small change of each kind adds to the mean, columns `(1024, 6)`; zeros where it changes nothing."""
    down, across = (one * GRID for one in np.gradient(mean))  # per side
    kinds: Sequence[np.ndarray] = (
        np.ones_like(mean), mean - mean.mean(), -across, -down, across * _DOWN - down * _ACROSS,
        -(across * _ACROSS + down * _DOWN),
    )  # fmt: skip
    basis = np.stack([one.reshape(-1) for one in kinds], axis=1)
    return np.where(np.abs(basis).max(axis=0) > _FAINT, basis, 0.0)


def _usual(traits: np.ndarray) -> Usual:
    """Median and spread of each trait, without those that are not known."""
    known = ~np.isnan(traits).any(axis=0)
    middle, spread = np.full((2, len(TRAITS)), np.nan)
    if len(traits):
        low, middle[known], high = np.quantile(traits[:, known], [0.25, 0.5, 0.75], axis=0)
        spread[known] = (high - low) / 1.349  # of a normal law
    return Usual(middle, spread)
