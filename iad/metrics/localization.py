"""How well anomaly maps show where the defect is: pixel AUROC, pixel AP, AUPRO and AUPIMO, all exact.

- AUROC and AP: every pixel of every picture is one example, ties as in `iad.metrics.image`.
- AUPRO: Bergmann, Batzner, Fauser, Sattlegger and Steger, "The MVTec Anomaly Detection Dataset" (IJCV 2021), section
  on the per-region overlap, and the evaluation code published with it.
- AUPIMO: Bertoldo, Ameln, Vaidya and Akcay, "AUPIMO: Redefining Visual Anomaly Detection Benchmarks with High Speed and
  Low Tolerance" (2024, arXiv 2401.01984).

Curves are exact step curves with straight lines across ties, not samples at chosen thresholds, so they do not change
under a strictly increasing transform of the maps. A metric that is undefined is None, and says why.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iad.metrics.image import BestF1, f1_of
from iad.metrics.pixels import PixelCounts, PixelPictures, count_pixels

FPR_LIMIT = 0.3  # of AUPRO, as published
PIMO_RANGE = (1e-5, 1e-4)  # of AUPIMO, as published
FEWEST_STEPS = 30  # the authors' code refuses 30 points or fewer in that range, and warns below 300


@dataclass(frozen=True)
class PixelMetrics:
    """Metrics of all pixels of a test set; None where undefined.

    Attributes:
        auroc: pixel AUROC, in [0, 1].
        average_precision: pixel AP, in (0, 1].
        aupro: area under the PRO curve up to `FPR_LIMIT`, divided by it, in [0, 1].
        aupimo: mean of `aupimo_per_picture`, in [0, 1].
        aupimo_per_picture: row of an anomalous picture -> its area under the PIMO curve; empty where undefined.
        oracle_f1: the best pixel F1 any threshold could reach on these pictures: an oracle, never a strategy.
        regions: number of 8-connected defect regions.
        absent: name of a metric that is None -> why.
    """

    auroc: float | None
    average_precision: float | None
    aupro: float | None
    aupimo: float | None
    aupimo_per_picture: dict[int, float]
    oracle_f1: BestF1 | None
    regions: int
    absent: dict[str, str]


def pixel_metrics(pictures: PixelPictures) -> PixelMetrics:
    """Compute every pixel metric, or say why one is absent. Maps are read twice, one by one.

    Raises:
        IadError: if a map or a mask is refused, see `iad.metrics.pixels`.

    >>> maps, masks = np.array([[[0.1, 0.5], [0.9, 0.4]]]), np.array([[[0, 0], [1, 1]]])
    >>> found = pixel_metrics(PixelPictures(maps, masks, np.array([1])))
    >>> found.auroc, found.oracle_f1, found.aupimo, found.absent["aupimo"]
    (0.75, BestF1(value=0.8, threshold=0.4), None, 'normal test pictures have 0 pixels; a false-positive rate of 1e-05 \
to 0.0001 needs at least 333334')
    """
    return metrics_of(count_pixels(pictures))


def metrics_of(counts: PixelCounts) -> PixelMetrics:
    """Compute every pixel metric from counts. See `pixel_metrics`.

    >>> maps, masks = np.array([[[0.1, 0.5], [0.9, 0.4]]]), np.array([[[0, 0], [1, 1]]])
    >>> found = metrics_of(count_pixels(PixelPictures(maps, masks, np.array([1]))))
    >>> found.auroc, found.aupro, found.regions
    (0.75, 0.5, 1)
    """
    per_picture = aupimo(counts)
    reasons = {
        "auroc": why_undefined(counts), "average_precision": why_undefined(counts), "aupro": why_undefined(counts),
        "oracle_f1": why_undefined(counts), "aupimo": why_no_aupimo(counts),
    }  # fmt: skip
    return PixelMetrics(
        auroc=pixel_auroc(counts),
        average_precision=pixel_average_precision(counts),
        aupro=aupro(counts),
        aupimo=float(np.mean(list(per_picture.values()))) if per_picture else None,
        aupimo_per_picture=per_picture,
        oracle_f1=best_pixel_f1(counts),
        regions=len(counts.region_sizes),
        absent={name: reason for name, reason in reasons.items() if reason},
    )


def why_undefined(counts: PixelCounts) -> str | None:
    """Why AUROC, AP, AUPRO and the oracle F1 are undefined, or None.

    >>> print(why_undefined(count_pixels(PixelPictures(np.zeros((1, 2, 2)), np.ones((1, 2, 2)), np.array([1])))))
    the masks mark every pixel of every test picture; pixel metrics need good pixels
    """
    if not counts.defect_pixels:
        return "no mask of the test pictures marks a defect pixel; pixel metrics need masks of anomalous pictures"
    if not counts.good_pixels:
        return "the masks mark every pixel of every test picture; pixel metrics need good pixels"
    return None


def why_no_aupimo(counts: PixelCounts, low: float = PIMO_RANGE[0], high: float = PIMO_RANGE[1]) -> str | None:
    """Why AUPIMO is undefined, or None: it needs more than `FEWEST_STEPS` normal pixels between its two limits.

    >>> masks = np.array([np.zeros((20, 20)), np.eye(20)])
    >>> counts = count_pixels(PixelPictures(np.zeros((2, 20, 20)), masks, np.array([0, 1])))
    >>> why_no_aupimo(counts, 0.01, 0.1), why_no_aupimo(counts, 0.01, 0.02)
    (None, 'normal test pictures have 400 pixels; a false-positive rate of 0.01 to 0.02 needs at least 3001')
    """
    if reason := why_undefined(counts):
        return reason
    needed = int(FEWEST_STEPS / (high - low)) + 1
    if counts.normal_pixels < needed:
        return (
            f"normal test pictures have {counts.normal_pixels} pixels; a false-positive rate of {low:g} to {high:g} "
            f"needs at least {needed}"
        )
    return None


def pixel_auroc(counts: PixelCounts) -> float | None:
    """Probability that a defect pixel scores higher than a good one; a tie counts one half. In [0, 1].

    >>> maps, masks = np.array([[[0.1, 0.5], [0.9, 0.4]]]), np.array([[[0, 0], [1, 1]]])
    >>> pixel_auroc(count_pixels(PixelPictures(maps, masks, np.array([1]))))
    0.75
    """
    if not counts.defined:
        return None
    defects = np.diff(counts.group_ends, prepend=-1)
    won_twice = 2 * counts.good_pixels - counts.good_above - counts.good_reaching
    return int((defects * won_twice).sum()) / (2 * counts.defect_pixels * counts.good_pixels)


def pixel_average_precision(counts: PixelCounts) -> float | None:
    """Area under the step-wise precision-recall curve of pixels, sum of `(R_j - R_{j-1}) P_j`. In (0, 1].

    >>> maps, masks = np.array([[[0.1, 0.5], [0.9, 0.4]]]), np.array([[[0, 0], [1, 1]]])
    >>> round(pixel_average_precision(count_pixels(PixelPictures(maps, masks, np.array([1])))), 4)
    0.8333
    """
    if not counts.defined:
        return None
    caught = counts.group_ends + 1
    precision = caught / (caught + counts.good_reaching)
    return float((np.diff(caught, prepend=0) * precision).sum() / counts.defect_pixels)


def best_pixel_f1(counts: PixelCounts) -> BestF1 | None:
    """Best pixel F1 of any threshold, for `score >= threshold`; the highest threshold where several tie. An oracle.

    >>> maps, masks = np.array([[[0.1, 0.5], [0.9, 0.4]]]), np.array([[[0, 0], [1, 1]]])
    >>> best_pixel_f1(count_pixels(PixelPictures(maps, masks, np.array([1]))))
    BestF1(value=0.8, threshold=0.4)
    """
    if not counts.defined:
        return None
    f1 = f1_of(counts.group_ends + 1, counts.good_reaching, np.asarray(counts.defect_pixels))
    best = int(np.argmax(f1))
    return BestF1(float(f1[best]), float(counts.thresholds[best]))


def aupro(counts: PixelCounts, fpr_limit: float = FPR_LIMIT) -> float | None:
    """Area under the PRO curve for false-positive rates up to the limit, divided by the limit. In [0, 1].

    y is the mean over all regions of the share of a region that is found, so a small defect weighs as much as a large
    one; a normal picture has no region and adds none. x is the share of all good pixels, of normal and of anomalous
    pictures, that is marked. The curve is cut at the limit, its point there interpolated. A map of one value has
    `y = x`, so its AUPRO is half the limit.

    Args:
        counts: of a test set.
        fpr_limit: in (0, 1]; the published value is 0.3.

    >>> maps, masks = np.array([[[0.1, 0.5], [0.9, 0.4]]]), np.array([[[0, 0], [1, 1]]])
    >>> aupro(count_pixels(PixelPictures(maps, masks, np.array([1]))))  # half the region is found before a good pixel
    0.5
    """
    if not counts.defined:
        return None
    x, y = pro_curve(counts)
    return float(area_up_to(x, y, fpr_limit) / fpr_limit)


def pro_curve(counts: PixelCounts) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the PRO curve, float64 `(2 M + 2,)`: false-positive rate and mean region overlap, not decreasing.

    >>> maps, masks = np.array([[[0.1, 0.5], [0.9, 0.4]]]), np.array([[[0, 0], [1, 1]]])
    >>> x, y = pro_curve(count_pixels(PixelPictures(maps, masks, np.array([1]))))
    >>> list(zip(x.tolist(), y.tolist(), strict=True))
    [(0.0, 0.0), (0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)]
    """
    x = _corners(counts.good_above / counts.good_pixels, counts.good_reaching / counts.good_pixels)
    return x, _rises(region_weights(counts), counts.group_ends)


def region_weights(counts: PixelCounts) -> np.ndarray:
    """What a defect pixel adds to the mean region overlap, float64 `(P,)`; they sum to 1.

    >>> masks = np.array([[[1, 0, 1, 1]]])  # regions of one pixel and of two
    >>> counts = count_pixels(PixelPictures(np.array([[[0.9, 0.1, 0.8, 0.7]]]), masks, np.array([1])))
    >>> region_weights(counts).tolist()
    [0.5, 0.25, 0.25]
    """
    return np.asarray(1 / counts.region_sizes[counts.regions] / len(counts.region_sizes))


def aupimo(counts: PixelCounts, low: float = PIMO_RANGE[0], high: float = PIMO_RANGE[1]) -> dict[int, float]:
    """Area under the PIMO curve of each anomalous picture, normalised, in [0, 1].

    y is the share of the picture's defect pixels that is found. x is shared by all pictures: the false-positive rate
    of each normal picture, averaged over the normal pictures. The integral is over log x, from `low` to `high`, divided
    by `log(high / low)`. The authors sample the curve at thresholds and join the samples; here it is exact.

    Args:
        counts: of a test set.
        low: lower limit of the shared false-positive rate, in (0, high).
        high: upper limit, in (low, 1].

    Returns:
        Row of the picture -> its area; empty where undefined, see `why_no_aupimo`.

    >>> maps = np.stack([np.linspace(0, 1, 400).reshape(20, 20), np.full((20, 20), 0.95)])
    >>> masks = np.stack([np.zeros((20, 20)), np.eye(20)])
    >>> counts = count_pixels(PixelPictures(maps, masks, np.array([0, 1])))
    >>> {row: round(area, 2) for row, area in aupimo(counts, 0.01, 0.1).items()}  # found from a rate of 0.05 on
    {1: 0.3}
    """
    if why_no_aupimo(counts, low, high):
        return {}
    pictures = counts.region_pictures[counts.regions]
    group = np.repeat(np.arange(len(counts.thresholds)), np.diff(counts.group_ends, prepend=-1))
    areas = {}
    for picture in np.unique(counts.region_pictures):
        groups, found = np.unique(group[pictures == picture], return_counts=True)
        x = _corners(counts.normal_above[groups], counts.normal_reaching[groups])
        y = _rises(np.full(found.sum(), 1 / found.sum()), np.cumsum(found) - 1)
        areas[int(picture)] = min(1.0, float(_log_area(x, y, low, high) / np.log(high / low)))
    return areas


def area_up_to(x: np.ndarray, y: np.ndarray, limit: float) -> np.ndarray:
    """Area under straight lines between corners, from 0 up to the limit, the point at the limit interpolated.

    Args:
        x: float64 `(..., C)`, not decreasing, from 0 to 1.
        y: float64 `(..., C)`, in [0, 1].
        limit: in (0, 1].

    Returns:
        float64 `(...)`, at most `limit`.

    >>> float(area_up_to(np.array([0.0, 0.0, 0.5, 1.0]), np.array([0.0, 1.0, 1.0, 1.0]), 0.25))
    0.25
    """
    x, y_end = np.minimum(x, limit), _at_cut(x, y, limit)
    area = (np.diff(x, axis=-1) * (y[..., :-1] + y_end) / 2).sum(axis=-1)
    return np.asarray(np.clip(area, 0, limit))


def _at_cut(x: np.ndarray, y: np.ndarray, limit: float) -> np.ndarray:
    """Height at the right end of each line, or where the limit cuts it, `(..., C - 1)`."""
    width, rise = np.diff(x, axis=-1), np.diff(y, axis=-1)
    inside = np.clip(limit - x[..., :-1], 0, width)
    return np.asarray(y[..., :-1] + rise * np.divide(inside, width, out=np.ones_like(width), where=width > 0))


def _log_area(x: np.ndarray, y: np.ndarray, low: float, high: float) -> np.ndarray:
    """Integral of y over log x from `low` to `high`, y straight in x between corners `(C,)`."""
    width = np.diff(x)
    slope = np.divide(np.diff(y), width, out=np.zeros_like(width), where=width > 0)
    start, end = np.clip(x[:-1], low, high), np.clip(x[1:], low, high)
    at_zero = y[:-1] - slope * x[:-1]
    return np.asarray((at_zero * np.log(end / start) + slope * (end - start)).sum())


def _corners(above: np.ndarray, reaching: np.ndarray) -> np.ndarray:
    """False-positive rate of the corners: 0, then before and after each threshold's ties, then 1."""
    return np.concatenate([[0.0], np.stack([above, reaching], axis=1).ravel(), [1.0]])


def _rises(weights: np.ndarray, group_ends: np.ndarray) -> np.ndarray:
    """Height of the corners that go with `_corners`; `weights` `(P,)` in ranked order sum to 1."""
    after = np.minimum(np.cumsum(weights)[group_ends], 1.0)
    before = np.concatenate([[0.0], after[:-1]])
    return np.concatenate([[0.0], np.stack([before, after], axis=1).ravel(), [1.0]])
