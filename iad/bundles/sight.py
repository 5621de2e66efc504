"""What a picture shows at a glance beside those of a bundle: how light, sharp, turned or moved, in eight numbers.

A small grey version of 32 x 32 px is explained by the mean of those of the bundle: by its level and its contrast, moved
across and down, turned, enlarged, each to first order (Lucas and Kanade 1981), by least squares. What that leaves is
the rest: another product, another view, or nothing at all to explain. Parts that lie in any direction have a mean
that is round, and their numbers vary much; so a number tells something only where it is far from what is usual.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from iad.bundles.pictures import PictureSet, sharpness_of
from iad.datacheck.pictures import GRID

TRAITS = ("light", "contrast", "across", "down", "turn", "size", "rest", "sharpness")
"""Mean grey level in [0, 255]; contrast, 1 being usual; moved right and down, in shares of the side; turned clockwise,
in degrees; larger by a share; root mean square of what is not explained, in grey levels; mean difference between
neighbours, in shares of the grey levels' standard deviation."""

_AXIS = (np.arange(GRID) + 0.5) / GRID - 0.5
_DOWN, _ACROSS = np.meshgrid(_AXIS, _AXIS, indexing="ij")
_FAINT = 1e-9  # grey levels; a mean of one grey has no direction


class Sights:
    """Measures pictures beside those of a bundle.

    Args:
        pictures: of the bundle.
    """

    def __init__(self, pictures: PictureSet) -> None:
        grids = pictures.grid_array().astype(np.float64)
        self._own, self._count = set(pictures.pixels), len(grids)
        self._mean = grids.mean(axis=0) if len(grids) else np.zeros((GRID, GRID))
        self._basis = _basis(self._mean)
        self._solve = np.linalg.pinv(self._basis)

    def of(self, pixels: np.ndarray) -> tuple[float, ...]:
        """The traits of a new prepared picture, in the order of `TRAITS`.

        Args:
            pixels: uint8 `(S, S, 3)`, RGB.
        """
        grey = Image.fromarray(pixels).convert("L")
        grid = np.asarray(grey.resize((GRID, GRID), Image.Resampling.BOX), dtype=np.float64)
        return self._traits(grid, grid - self._mean, sharpness_of(np.asarray(grey)))

    def of_known(self, pictures: PictureSet) -> np.ndarray:
        """The same of pictures that a bundle describes: float64 `(N, 8)`, NaN where one is not known.

        One of the bundle itself is measured beside the mean of the others.
        """
        rows = []
        own = self._count / max(self._count - 1, 1)
        for grid, pixels, sharpness in zip(pictures.grid_array(), pictures.pixels, pictures.sharpness, strict=True):
            away = (grid - self._mean) * (own if pixels in self._own else 1.0)
            rows.append(self._traits(grid, away, np.nan if sharpness is None else sharpness))
        return np.array(rows).reshape(-1, len(TRAITS))

    def _traits(self, grid: np.ndarray, away: np.ndarray, sharpness: float) -> tuple[float, ...]:
        left = away.reshape(-1)
        _, more, across, down, turn, size = found = self._solve @ left
        contrast = 1 + more
        rest = float(np.sqrt(np.mean((left - self._basis @ found) ** 2)))
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
