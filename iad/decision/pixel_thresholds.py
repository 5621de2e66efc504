"""A pixel threshold from good pictures alone, and how the pixels it marks agree with the masks.

A pixel is marked if and only if `score >= threshold`, compared in float64. Both strategies take anomaly maps of good
pictures that the detector has not learnt from; neither sees a defect.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from iad.errors import IadError, unknown
from iad.metrics.image import Confusion
from iad.metrics.pixels import PixelPictures

Maps = Sequence[np.ndarray] | np.ndarray


@dataclass(frozen=True)
class PixelThreshold:
    """A pixel threshold and what may be said about it.

    Attributes:
        strategy: key of `PIXEL_STRATEGIES`.
        value: pixels with `score >= value` are marked.
        pictures: number of good pictures it rests on.
        promise: what it promises, in words.
        warning: why the promise does not hold here, or None.
    """

    strategy: str
    value: float
    pictures: int
    promise: str
    warning: str | None


def picture_maximum(maps: Maps, rate: float) -> PixelThreshold:
    """Mark no pixel at all on most good pictures: a conformal threshold on the highest pixel of each picture.

    The threshold lies just above the k-th lowest of the n maxima, `k = ceil((n + 1) (1 - rate))`. Where the new good
    picture is exchangeable with these, it gets a marked pixel with a probability of at most `rate` (split conformal
    prediction: Vovk, Gammerman and Shafer 2005; Papadopoulos et al. 2002). It says nothing about defects.

    Args:
        maps: out of sample, float32 or float64 `(n, H, W)` or n arrays `(H, W)`, higher = more anomalous.
        rate: share of good pictures that may get a marked pixel, in (0, 1).
    """
    maxima = np.sort([float(np.max(one)) for one in maps])
    n = len(maxima)
    k = math.ceil(round((n + 1) * (1 - rate), 9))
    return PixelThreshold(
        strategy="picture_maximum",
        value=float(np.nextafter(maxima[min(k, n) - 1], np.inf)),
        pictures=n,
        promise=f"at most {100 * rate:.3g} % of good pictures like these {n} get a marked pixel",
        warning=None if k <= n else f"{n} pictures are too few: it takes {math.ceil(round(1 / rate - 1, 9))}",
    )


def pixel_share(maps: Maps, rate: float) -> PixelThreshold:
    """Mark at most a given share of the pixels of these good pictures.

    It is the lowest threshold that does, ties included. Pixels of a picture depend on each other, so this promises
    nothing for a new picture.

    Args:
        maps: out of sample, float32 or float64 `(n, H, W)` or n arrays `(H, W)`, higher = more anomalous.
        rate: share of good pixels that may be marked, in (0, 1).
    """
    allowed = int(rate * sum(int(np.size(one)) for one in maps))
    highest = np.zeros(0)
    for one in maps:  # one more than allowed is kept: the first that must not be marked
        highest = _highest(np.concatenate([highest, _highest(np.ravel(one), allowed + 1)]), allowed + 1)
    return PixelThreshold(
        strategy="pixel_share",
        value=float(np.nextafter(np.float64(highest.min()), np.inf)),
        pictures=len(maps),
        promise=f"at most {100 * rate:.3g} % of the pixels of these {len(maps)} good pictures are marked; "
        "no promise for a new picture",
        warning=None,
    )


PIXEL_STRATEGIES: dict[str, Callable[[Maps, float], PixelThreshold]] = {
    "picture_maximum": picture_maximum,
    "pixel_share": pixel_share,
}


def pixel_threshold_from_good(
    maps: Maps, strategy: str, rate: float, *, origin: str = "calibration maps"
) -> PixelThreshold:
    """Set a pixel threshold from anomaly maps of good pictures that the detector has not learnt from.

    Args:
        maps: float32 or float64 `(n, H, W)` or n arrays `(H, W)`, higher = more anomalous.
        strategy: key of `PIXEL_STRATEGIES`.
        rate: in (0, 1); share of good pictures, or of good pixels, as the strategy says.
        origin: where the maps come from; a refusal begins with it.

    Raises:
        IadError: if the strategy is unknown, the rate is out of range, there is no map, or a value is not finite.

    >>> pixel_threshold_from_good(np.arange(20.0).reshape(20, 1, 1), "picture_maximum", 0.05).value > 18
    True
    """
    if strategy not in PIXEL_STRATEGIES:
        raise unknown("pixel threshold strategy", strategy, PIXEL_STRATEGIES)
    if not 0 < rate < 1:
        raise IadError(f"{origin}: rate {rate:g}; it must lie between 0 and 1")
    if len(maps) == 0:
        raise IadError(f"{origin}: no map of a good picture; give the data set more good training pictures")
    if bad := sum(not np.isfinite(one).all() for one in maps):
        raise IadError(f"{origin}: {bad} of {len(maps)} maps are not finite; run `dvc repro --force` for their stage")
    return PIXEL_STRATEGIES[strategy](maps, rate)


def pixel_confusion(pictures: PixelPictures, threshold: float) -> Confusion:
    """Count the pixels of all pictures, marked or not, against their masks; its `f1` is the pixel F1.

    Args:
        pictures: maps and masks; a normal picture has good pixels only.
        threshold: pixels with `score >= threshold` are marked; chosen elsewhere, without these pictures.

    Raises:
        IadError: if a map or a mask is refused, see `iad.metrics.pixels`.
    """
    counts = np.zeros(4, dtype=np.int64)
    for row in range(len(pictures)):
        # float64 on purpose: a Python float would be rounded to float32 first, and a value just below it be marked
        marked, defect = pictures.map(row) >= np.float64(threshold), pictures.mask(row)
        counts += np.bincount((2 * defect + marked).ravel(), minlength=4)
    good, false_alarms, missed, caught = (int(count) for count in counts)
    return Confusion(caught, false_alarms, missed, good)


def iou(confusion: Confusion) -> float | None:
    """Intersection over union of marked and defect pixels, TP / (TP + FP + FN); None without a defect pixel.

    >>> iou(Confusion(true_positives=2, false_positives=1, false_negatives=1, true_negatives=5))
    0.5
    """
    union = confusion.true_positives + confusion.false_positives + confusion.false_negatives
    return confusion.true_positives / union if confusion.anomalous else None


def _highest(values: np.ndarray, count: int) -> np.ndarray:
    """The `count` highest values in float64, in any order; all where there are fewer."""
    if len(values) > count:
        values = np.partition(values, len(values) - count)[len(values) - count :]
    return np.asarray(values, dtype=np.float64)
