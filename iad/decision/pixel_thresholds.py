"""A pixel threshold from good pictures alone.

A pixel is marked if and only if `score >= threshold`, compared in float64. Both strategies take anomaly maps of good
pictures that the detector has not learnt from; neither sees a defect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from iad.decision.conformal import conformal, maximum
from iad.decision.promises import SCHEMES, UNKNOWN_SCHEME, in_words, pictures_needed, ranks_within
from iad.errors import IadError, unknown
from iad.words import counted, percent

Maps = Sequence[np.ndarray] | np.ndarray


@dataclass(frozen=True)
class PixelThreshold:
    """A pixel threshold and what may be said about it.

    Attributes:
        strategy: key of `PIXEL_STRATEGIES`.
        value: pixels with `score >= value` are marked.
        pictures: number of good pictures it rests on.
        scheme: key of `iad.decision.promises.SCHEMES`, how their maps were made.
        promised_rate: probability that a new good picture gets a marked pixel, over the choice of calibration pictures;
            an upper bound of it where `guaranteed`, else the rate that is aimed at. None where none is.
        guaranteed: whether `promised_rate` is proven for every distribution of maps.
        promise: what it promises, in words.
        warning: why it promises less than was asked for, or None.
    """

    strategy: str
    value: float
    pictures: int
    scheme: str
    promised_rate: float | None
    guaranteed: bool
    promise: str
    warning: str | None


def picture_maximum(maps: Maps, rate: float, scheme: str) -> PixelThreshold:
    """Mark no pixel at all on most good pictures: the conformal threshold of the highest pixel of each picture.

    A picture gets a marked pixel exactly if its highest pixel reaches the threshold, so `conformal` says what holds, by
    the scheme of the maps. With fewer than `1 / rate - 1` pictures the threshold is the next number above the highest
    pixel of all, whose rate, `1 / (n + 1)`, is the least that so few can hold.

    Args:
        maps: out of sample, float32 or float64 `(n, H, W)` or n arrays `(H, W)`, higher = more anomalous.
        rate: share of good pictures that may get a marked pixel, in (0, 1).
        scheme: key of `SCHEMES`, how the maps were made.

    >>> found = picture_maximum(np.arange(5.0).reshape(5, 1, 1), 0.05, "split")
    >>> found.value > 4, found.warning
    (True, '5 calibration pictures cannot hold 5 %, it takes 19; the least rate that so few can hold is 16.7 %')
    """
    maxima = np.array([float(np.max(one)) for one in maps])
    n = len(maxima)
    few = ranks_within(rate, n) < 1
    found = maximum(maxima, scheme, alpha=rate) if few else conformal(maxima, scheme, alpha=rate)
    return PixelThreshold(
        strategy="picture_maximum",
        value=found.value,
        pictures=n,
        scheme=scheme,
        promised_rate=found.promised_rate,
        guaranteed=found.guaranteed,
        promise=in_words(found.promised_rate, scheme, n, found.rate_limit, fate="get a marked pixel"),
        warning=f"{counted(n, 'calibration picture')} cannot hold {percent(rate)}, it takes {pictures_needed(rate)}; "
        f"the least rate that so few can hold is {percent(found.promised_rate)}" if few else None,
    )  # fmt: skip


def pixel_share(maps: Maps, rate: float, scheme: str) -> PixelThreshold:
    """Mark at most a given share of the pixels of these good pictures.

    It is the lowest threshold that does, ties included. Pixels of a picture depend on each other, so this promises
    nothing for a new picture.

    Args:
        maps: out of sample, float32 or float64 `(n, H, W)` or n arrays `(H, W)`, higher = more anomalous.
        rate: share of good pixels that may be marked, in (0, 1).
        scheme: key of `SCHEMES`, how the maps were made; it changes nothing here.

    >>> pixel_share(np.arange(100.0).reshape(1, 10, 10), 0.02, "split").value > 97
    True
    """
    allowed = int(rate * sum(int(np.size(one)) for one in maps))
    highest = np.zeros(0)
    for one in maps:  # one more than allowed is kept: the first that must not be marked
        highest = _highest(np.concatenate([highest, _highest(np.ravel(one), allowed + 1)]), allowed + 1)
    return PixelThreshold(
        strategy="pixel_share",
        value=float(np.nextafter(np.float64(highest.min()), np.inf)),
        pictures=len(maps),
        scheme=scheme,
        promised_rate=None,
        guaranteed=False,
        promise=f"at most {percent(rate)} of the pixels of these {counted(len(maps), 'good picture')} are marked; "
        "no promise for a new picture",
        warning=None,
    )


PIXEL_STRATEGIES: dict[str, Callable[[Maps, float, str], PixelThreshold]] = {
    "picture_maximum": picture_maximum,
    "pixel_share": pixel_share,
}


def pixel_threshold_from_good(
    maps: Maps, strategy: str, rate: float, *, scheme: str = UNKNOWN_SCHEME, origin: str = "calibration maps"
) -> PixelThreshold:
    """Set a pixel threshold from anomaly maps of good pictures that the detector has not learnt from.

    Args:
        maps: float32 or float64 `(n, H, W)` or n arrays `(H, W)`, higher = more anomalous.
        strategy: key of `PIXEL_STRATEGIES`.
        rate: in (0, 1); share of good pictures, or of good pixels, as the strategy says.
        scheme: key of `SCHEMES`, how the maps came to be out of sample. `leave_one_out` is for maps of which no value
            can rise when a picture joins those that the detector was fitted to.
        origin: where the maps come from; a refusal begins with it.

    Raises:
        IadError: if the strategy or the scheme is unknown, the rate is out of range, there is no map, or a value is not
            finite.

    >>> maps = np.random.default_rng(0).random((99, 4, 4))
    >>> found = pixel_threshold_from_good(maps, "picture_maximum", 0.05, scheme="split")
    >>> found.promised_rate, found.guaranteed, int((maps >= found.value).any(axis=(1, 2)).sum())
    (0.05, True, 4)
    """
    if strategy not in PIXEL_STRATEGIES:
        raise unknown("pixel threshold strategy", strategy, PIXEL_STRATEGIES)
    if scheme not in SCHEMES:
        raise unknown("scheme of calibration", scheme, SCHEMES)
    if not 0 < rate < 1:
        raise IadError(f"{origin}: rate {rate:g}; it must lie between 0 and 1")
    if len(maps) == 0:
        raise IadError(f"{origin}: no map of a good picture; give the data set more good training pictures")
    if bad := sum(not np.isfinite(one).all() for one in maps):
        raise IadError(f"{origin}: {bad} of {len(maps)} maps are not finite; run `dvc repro --force` for their stage")
    return PIXEL_STRATEGIES[strategy](maps, rate, scheme)


def _highest(values: np.ndarray, count: int) -> np.ndarray:
    """The `count` highest values in float64, in any order; all where there are fewer."""
    if len(values) > count:
        values = np.partition(values, len(values) - count)[len(values) - count :]
    return np.asarray(values, dtype=np.float64)
