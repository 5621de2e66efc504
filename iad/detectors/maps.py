"""Anomaly maps at the picture's own resolution, made from coarse ones one by one, so that memory stays bounded.

As the field does (PatchCore: Roth et al. 2022, arXiv 2106.08265; anomalib), a map is enlarged by bilinear interpolation
and smoothed by a Gaussian. Both are linear and act on rows and columns apart, so one picture takes two matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from iad.data.image_size import GivenSize, ImageSize
from iad.detectors.places import Places
from iad.errors import IadError

TRUNCATE = 4.0  # the Gaussian ends after so many sigmas


class FullMaps(Sequence[np.ndarray]):
    """Coarse maps that become full ones when read: item i is float32 `(H, W)`, higher = more anomalous.

    Values are means of the coarse ones with weights of at least 0, so that a full map never rises where none of the
    coarse one does. Outside of a region of interest they are 0.

    >>> FullMaps(np.array([[[0.0, 4.0]]], dtype=np.float32), 4, 0.0)[0][0].tolist()
    [0.0, 1.0, 3.0, 4.0]
    """

    def __init__(
        self, coarse: np.ndarray, size: GivenSize, sigma: float, *, region: np.ndarray | None = None,
        origin: str = "anomaly maps",
    ) -> None:  # fmt: skip
        """Prepare the enlargement.

        Args:
            coarse: float32 `(K, h, w)`; each covers the whole picture evenly.
            size: height and width of the picture in pixels, or the side of a square one.
            sigma: of the Gaussian, in pixels of the picture; 0 smooths nothing.
            region: which pixels of the picture count, bool `(H, W)`; None: all.
            origin: where the maps come from; a refusal begins with it.

        Raises:
            IadError: if the maps have no height or width.
        """
        if coarse.ndim != 3 or 0 in coarse.shape[1:]:
            raise IadError(f"{origin}: shape {coarse.shape}; maps have the shape (pictures, height, width)")
        self.coarse, self.region = coarse, region
        self.rows, self.columns = (
            enlargement(cells, pixels, sigma)
            for cells, pixels in zip(coarse.shape[1:], ImageSize.of(size), strict=True)
        )

    def __len__(self) -> int:
        return len(self.coarse)

    def __getitem__(self, row: Any) -> Any:
        """Full map of one picture, float32 `(H, W)`."""
        full = self.rows @ np.asarray(self.coarse[row], dtype=np.float32) @ self.columns.T
        return full if self.region is None else full * self.region

    @property
    def counting(self) -> Sequence[np.ndarray]:
        """The maps where they count: items as of these maps, or float32 `(P,)`, the pixels of the region alone."""
        return self if self.region is None else Counting(self, self.region)

    @property
    def usual(self) -> float:
        """The median of the coarse maps, of the places that count."""
        places = None if self.region is None else Places.of(self.region, *self.coarse.shape[1:])
        return float(np.median(self.coarse if places is None else np.asarray(self.coarse)[:, places.counting]))


class Counting(Sequence[np.ndarray]):
    """The pixels of full maps `(H, W)` that lie in a region, made when asked for: item i is float32 `(P,)`."""

    def __init__(self, full: FullMaps, region: np.ndarray) -> None:
        self.full, self.region = full, region

    def __len__(self) -> int:
        return len(self.full)

    def __getitem__(self, row: Any) -> Any:
        return self.full[row][self.region]


def enlargement(side: int, size: int, sigma: float) -> np.ndarray:
    """What turns `side` values along a line into `size` values, float32 `(size, side)`; every row sums to 1.

    Bilinear, the value of a cell standing at its middle and held constant beyond the outermost middles (as PyTorch's
    `interpolate` with `align_corners=False`); then a Gaussian, mirrored at the edges.

    Args:
        side: number of cells.
        size: number of pixels; fewer than cells samples the line.
        sigma: of the Gaussian, in pixels.

    >>> enlargement(2, 4, 0).tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    places = np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1)
    lower = np.minimum(places.astype(int), max(side - 2, 0))
    weights = np.zeros((size, side))
    weights[np.arange(size), lower] = 1 - (places - lower)
    weights[np.arange(size), np.minimum(lower + 1, side - 1)] += places - lower
    if sigma > 0:
        from scipy.ndimage import gaussian_filter1d

        weights = gaussian_filter1d(weights, sigma, axis=0, mode="reflect", truncate=TRUNCATE)
    return weights.astype(np.float32)


def resized(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """A map at another size, bilinear, float32 `(height, width)`; no value is larger than the largest before.

    Args:
        values: float32 `(h, w)`, which covers the whole picture evenly.
        height: in pixels.
        width: in pixels.

    >>> resized(np.array([[0.0, 4.0]], dtype=np.float32), 2, 3).tolist()
    [[0.0, 2.0, 4.0], [0.0, 2.0, 4.0]]
    """
    rows, columns = enlargement(values.shape[0], height, 0), enlargement(values.shape[1], width, 0)
    return np.asarray(np.minimum(rows @ values @ columns.T, values.max()))
