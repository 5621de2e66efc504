"""Pictures under the colours of their anomaly maps, and what these colours mean.

The colours are tied to a threshold of pixels: blue below, red from the threshold on, for every picture of a detector
alike. Blue and red differ for every kind of colour vision. NumPy alone draws them, for computers that have no plotting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from iad.data.image_size import GivenSize, ImageSize
from iad.decision.pixel_thresholds import PixelThreshold, pixel_threshold_from_good
from iad.detectors.maps import FullMaps

STRATEGY = "picture_maximum"  # of the red: whole pictures stay without any
LEVELS = 256  # colours of a ramp
OVERLAY_BELOW, OVERLAY_ABOVE = 0.35, 0.65  # how far colour covers the picture, just below the threshold and above it


@dataclass(frozen=True)
class MapScale:
    """What the colours of a detector's maps mean.

    Attributes:
        usual: value that is usual on good pictures, where blue begins to show.
        red: pixels with `value >= red` are red.
    """

    usual: float
    red: float

    @property
    def span(self) -> float:
        """From usual to red; as far above the first red it is darkest."""
        return max(self.red - self.usual, float(np.finfo(np.float32).tiny))


def red_scale(
    maps: np.ndarray, size: GivenSize, sigma_share: float, rate: float, scheme: str, *,
    region: np.ndarray | None = None, origin: str = "calibration maps",
) -> dict[str, Any]:  # fmt: skip
    """The scale of a detector's maps from those of good pictures alone, as plain values for a file.

    Args:
        maps: float32 `(n, h, w)`, of the calibration pictures, out of sample; higher = more anomalous.
        size: height and width of the pictures in pixels, or the side of square ones.
        sigma_share: of the Gaussian that smooths them, as a share of the short side.
        rate: share of good pictures that may show any red, in (0, 1).
        scheme: key of `iad.decision.promises.SCHEMES`, how the maps were made.
        region: which pixels of a picture count, bool `(H, W)`; None: all.
        origin: where the maps come from; a refusal begins with it.

    Returns:
        `usual` and `red` as in `MapScale`; `promise`, `promised_rate`, `guaranteed`, `scheme`, `pictures` and `warning`
        as in `PixelThreshold`.

    Raises:
        IadError: if there is no map, or one is not finite.

    >>> found = red_scale(np.random.default_rng(0).random((40, 4, 4), dtype=np.float32), 16, 0.01, 0.05, "split")
    >>> found["usual"] < found["red"], found["promised_rate"], found["guaranteed"]
    (True, 0.05, True)
    """
    full = FullMaps(maps, size, sigma_share * ImageSize.of(size).short, region=region, origin=origin)
    red = red_threshold(full, rate, scheme, origin=origin)
    said = ("promise", "promised_rate", "guaranteed", "scheme", "pictures", "warning")
    return {"usual": full.usual, "red": red.value} | {name: getattr(red, name) for name in said}


def red_threshold(full: FullMaps, rate: float, scheme: str, *, origin: str) -> PixelThreshold:
    """The pixel threshold from which on maps are red, from full maps of calibration pictures. See `red_scale`.

    >>> full = FullMaps(np.arange(40, dtype=np.float32).reshape(40, 1, 1), 1, 0.0)
    >>> red = red_threshold(full, 0.05, "split", origin="maps")  # one of the 40 is above: with a new one, 2 in 41
    >>> 38 < red.value < 38.001, red.guaranteed
    (True, True)
    """
    return pixel_threshold_from_good(full.counting, STRATEGY, rate, scheme=scheme, origin=origin)


def colour_ramp(*colours: str) -> np.ndarray:
    """Colours in even steps from one to the next, float64 `(LEVELS, 3)` in [0, 1], as matplotlib interpolates them.

    Args:
        colours: two or more, as "#RRGGBB".

    >>> colour_ramp("#000000", "#FF0000")[[0, 51, 255]].tolist()
    [[0.0, 0.0, 0.0], [0.2, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    anchors = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in colours])
    at = np.linspace(0, 1, len(anchors)) * (LEVELS - 1)
    levels = np.linspace(0, 1, LEVELS)[1:-1] * (LEVELS - 1)
    right = np.searchsorted(at, levels)
    left = right - 1
    share = ((levels - at[left]) / (at[right] - at[left]))[:, None]
    between = share * (anchors[right] - anchors[left]) + anchors[left]
    return np.concatenate([anchors[:1], between, anchors[-1:]])


BELOW = colour_ramp("#F7F9FB", "#A9C9E0", "#2B6CA3")
ABOVE = colour_ramp("#F0562F", "#C01722", "#6E0712")


def map_colours(values: np.ndarray, scale: MapScale) -> np.ndarray:
    """Colours of map values, float64 `(..., 3)` in [0, 1]: red if and only if `value >= scale.red`.

    Args:
        values: of any shape, higher = more anomalous.
        scale: of the detector.

    >>> np.round(255 * map_colours(np.array([1.0, 3.0]), MapScale(usual=1.0, red=3.0))).tolist()  # usual; just red
    [[247.0, 249.0, 251.0], [240.0, 86.0, 47.0]]
    """
    level = _level(values, scale)
    below, above = _at(BELOW, level), _at(ABOVE, level - 1)
    return np.where(_marked(values, scale)[..., None], above, below)


def overlay(picture: np.ndarray, anomaly_map: np.ndarray, scale: MapScale) -> np.ndarray:
    """The picture in grey under the colours of its map, uint8 `(H, W, 3)`; what is usual stays grey.

    Args:
        picture: uint8 `(H, W, 3)`.
        anomaly_map: `(H, W)`, at the picture's size; see `iad.detectors.maps`.
        scale: of the detector.

    >>> picture = np.full((1, 2, 3), 100, dtype=np.uint8)
    >>> overlay(picture, np.array([[1.0, 3.0]]), MapScale(usual=1.0, red=3.0)).tolist()
    [[[100, 100, 100], [191, 91, 66]]]
    """
    grey = np.repeat(picture.mean(axis=2, keepdims=True) / 255, 3, axis=2)
    level = np.clip(_level(anomaly_map, scale), 0, 1)
    covered = np.where(_marked(anomaly_map, scale), OVERLAY_ABOVE, OVERLAY_BELOW * level)
    mixed = grey + (map_colours(anomaly_map, scale) - grey) * covered[..., None]
    return np.asarray(np.round(255 * mixed), dtype=np.uint8)


def _at(ramp: np.ndarray, share: np.ndarray) -> np.ndarray:
    # a share of 0 is the first colour, of 1 the last; what lies beyond gets them too
    return np.asarray(ramp[np.clip(share * LEVELS, 0, LEVELS - 1).astype(np.int64)])


def _level(values: np.ndarray, scale: MapScale) -> np.ndarray:
    # 0 at what is usual, 1 at the first red; 3 is beyond the end of the colours
    with np.errstate(over="ignore"):
        return np.clip(1 + (values.astype(np.float64) - scale.red) / scale.span, -1, 3)


def _marked(values: np.ndarray, scale: MapScale) -> np.ndarray:
    return np.asarray(values.astype(np.float64) >= scale.red)
