"""Bootstrap intervals of pixel AUROC and AUPRO: pictures are drawn, not pixels, which depend on each other.

A draw needs the counts of each picture, so they are kept on a grid of thresholds, the same for every draw; in files,
since 10,000 pictures have a gigabyte of them. The curves
are exact at the thresholds of the grid and straight between two of them, as if all pixels there were tied. What that
can change is bounded by `grid_error`. Point estimates stay exact, see `iad.metrics.localization`.

With the same labels and seed every method gets the same draws, and the same as `iad.statistics.bootstrap`, so that
samples of two methods are paired, whatever grid each has.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from iad.errors import IadError
from iad.metrics.image import both_classes
from iad.metrics.localization import FPR_LIMIT, area_up_to, pro_curve
from iad.metrics.pixels import PixelCounts, PixelPictures, counts_at
from iad.statistics.bootstrap import draw_weights, percentile_interval
from iad.statistics.exact import Interval

BINS = 2000
CURVES_AT_ONCE = 100  # draws: 100 x 2,000 float64 are 1.6 MB


@dataclass(frozen=True)
class PixelGrid:
    """Pixels of each picture in bins of falling score: between two thresholds of a grid, then at the lower one.

    Attributes:
        good: float64 `(N, K)`, good pixels; the last bin holds those below every threshold.
        defect: float64 `(N, K)`, defect pixels.
        overlap: float64 `(N, K)`, sum over the picture's regions of the share of the region.
        regions: float64 `(N,)`, number of regions.
    """

    good: np.ndarray
    defect: np.ndarray
    overlap: np.ndarray
    regions: np.ndarray


def grid_counts(pictures: PixelPictures, counts: PixelCounts, *, bins: int = BINS) -> PixelGrid:
    """Count each picture's pixels on a grid. Maps are read once more.

    The grid's thresholds are scores of defect pixels, spaced evenly in the sum of the false-positive rate, the
    true-positive rate and the mean region overlap, so that no bin holds much of any of them unless scores tie.

    Args:
        pictures: maps and masks.
        counts: `count_pixels` of the same pictures, with defect pixels and good ones.
        bins: about how many thresholds the grid has.

    Raises:
        IadError: if a map or a mask is refused, see `iad.metrics.pixels`.
    """
    ends = _grid(counts, bins)
    thresholds = counts.thresholds[ends]
    shape = (len(pictures), 2 * len(ends) + 1)
    good, defect, overlap = (_in_a_file(shape) for _ in range(3))
    for row in range(len(pictures)):
        pixels = np.sort(pictures.map(row)[pictures.good(row)])
        edges = np.stack(counts_at(pixels, thresholds), axis=1).ravel()
        good[row] = np.diff(edges, prepend=0, append=len(pixels))
    place = np.ravel_multi_index((counts.region_pictures[counts.regions], _bins_of(counts, ends)), shape)
    np.add.at(defect.reshape(-1), place, 1)
    np.add.at(overlap.reshape(-1), place, 1 / counts.region_sizes[counts.regions])
    regions = np.bincount(counts.region_pictures, minlength=len(pictures)).astype(np.float64)
    return PixelGrid(good, defect, overlap, regions)


def pixel_bootstrap_intervals(
    grid: PixelGrid,
    labels: np.ndarray,
    *,
    draws: int,
    confidence: float,
    seed: int,
    fpr_limit: float = FPR_LIMIT,
) -> dict[str, Interval]:
    """Percentile intervals of `pixel_auroc` and `aupro`, from pictures drawn with replacement inside each class.

    Args:
        grid: of the test pictures.
        labels: int64 `(N,)`, 0 normal, 1 anomalous.
        draws: number of resampled test sets; 0 gives no interval.
        confidence: in (0, 1), for instance 0.95.
        seed: of the draws.
        fpr_limit: of AUPRO.

    Returns:
        An interval by name of metric; none at all unless both classes are there.
    """
    if draws == 0 or not both_classes(labels):
        return {}
    samples = pixel_bootstrap_samples(grid, labels, draws=draws, seed=seed, fpr_limit=fpr_limit)
    return {name: percentile_interval(values, confidence) for name, values in samples.items()}


def pixel_bootstrap_samples(
    grid: PixelGrid, labels: np.ndarray, *, draws: int, seed: int, fpr_limit: float = FPR_LIMIT
) -> dict[str, np.ndarray]:
    """Compute `pixel_auroc` and `aupro` on resampled test sets, each float64 `(draws,)`. See the intervals above."""
    parts = [
        grid_metrics(grid, weights, fpr_limit)
        for chunk in draw_weights(labels, draws=draws, seed=seed)
        for weights in _split(chunk)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def grid_metrics(grid: PixelGrid, weights: np.ndarray, fpr_limit: float = FPR_LIMIT) -> dict[str, np.ndarray]:
    """`pixel_auroc` and `aupro` of weighted pictures, each float64 `(B,)`.

    Args:
        grid: of the test pictures.
        weights: int64 `(B, N)`, how often each picture counts; good pixels and regions must remain.
        fpr_limit: of AUPRO.

    >>> good, defect = (np.array([[0.0, 10.0], [2.0, 8.0]]), np.array([[4.0, 1.0], [0.0, 0.0]]))
    >>> grid = PixelGrid(good, defect, overlap=np.array([[0.8, 0.2], [0.0, 0.0]]), regions=np.array([1.0, 0.0]))
    >>> grid_metrics(grid, np.array([[1, 1], [1, 3]]))["pixel_auroc"].round(3).tolist()  # the good picture once, thrice
    [0.85, 0.825]
    """
    x = _rising(weights @ grid.good)
    true_positives = _rising(weights @ grid.defect)
    overlap = _rising(weights @ grid.overlap)
    return {
        "pixel_auroc": area_up_to(x, true_positives, 1.0),
        "aupro": area_up_to(x, overlap, fpr_limit) / fpr_limit,
    }


def grid_error(grid: PixelGrid, fpr_limit: float = FPR_LIMIT) -> dict[str, float]:
    """How far `grid_metrics` of all pictures can lie from the exact values: half the area of the grid's rectangles.

    >>> counts = np.array([[5.0, 5.0]])  # one picture and two bins, each as full of good pixels as of defect pixels
    >>> grid_error(PixelGrid(counts, counts, overlap=counts / 10, regions=np.array([1.0])))["pixel_auroc"]
    0.25
    """
    share_good = grid.good.sum(axis=0) / grid.good.sum()
    x = np.concatenate([[0.0], np.cumsum(share_good)])
    share_defect = grid.defect.sum(axis=0) / grid.defect.sum()
    share_overlap = grid.overlap.sum(axis=0) / grid.regions.sum()
    below_limit = share_good * (x[:-1] < fpr_limit)
    return {
        "pixel_auroc": float((share_good * share_defect).sum() / 2),
        "aupro": float((below_limit * share_overlap).sum() / fpr_limit),  # a bin cut by the limit counts in full
    }


def _in_a_file(shape: tuple[int, int]) -> np.ndarray:
    """Zeros, float64, in a temporary file that goes with the array: pages of it need not stay in memory."""
    with tempfile.TemporaryFile() as file:
        size = shape[0] * shape[1] * np.dtype(np.float64).itemsize
        try:
            if hasattr(os, "posix_fallocate"):  # a write through a mapping into a full disk would kill the process
                os.posix_fallocate(file.fileno(), 0, size)
            file.truncate(size)
        except OSError as error:
            raise IadError(
                f"{tempfile.gettempdir()}: no room for {size / 1e6:.0f} MB ({error.strerror}); free some space, or set "
                "TMPDIR to another folder"
            ) from None
        return np.memmap(file, np.float64, mode="r+", shape=shape)


def _bins_of(counts: PixelCounts, ends: np.ndarray) -> np.ndarray:
    """Bin of each defect pixel, int64 `(P,)`: even between two thresholds, odd at one."""
    group = np.repeat(np.arange(len(counts.thresholds)), np.diff(counts.group_ends, prepend=-1))
    next_end = np.searchsorted(ends, group)
    return np.asarray(2 * next_end + (ends[next_end] == group))


def _grid(counts: PixelCounts, bins: int) -> np.ndarray:
    """Groups of equal score whose score is a threshold, int64, increasing; the last group of all is among them."""
    x, overlap = pro_curve(counts)
    progress = x[2:-1:2] + overlap[2:-1:2] + (counts.group_ends + 1) / counts.defect_pixels  # corner after each group
    wanted = np.linspace(0, progress[-1], bins + 1)[1:]
    return np.unique(np.minimum(np.searchsorted(progress, wanted), len(progress) - 1))


def _rising(counts: np.ndarray) -> np.ndarray:
    """Shares up to the end of each bin, from 0 to 1, `(B, K + 1)`."""
    summed = np.cumsum(counts, axis=-1)
    shares = summed / summed[..., -1:]
    return np.concatenate([np.zeros((*shares.shape[:-1], 1)), shares], axis=-1)


def _split(weights: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(weights), CURVES_AT_ONCE):
        yield weights[start : start + CURVES_AT_ONCE]
