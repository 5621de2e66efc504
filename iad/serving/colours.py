"""What the colours of a bank's maps mean: as in the galleries, from maps of good pictures alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from iad.decision.pixel_thresholds import pixel_threshold_from_good
from iad.detectors.maps import FullMaps

STRATEGY = "picture_maximum"  # as the galleries


def colours_of(maps: np.ndarray, settings: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Values of pixels: `usual` on good pictures, `red` from which on they are red, and the `promise` in words.

    Args:
        maps: float32 `(K, h, w)`, of calibration pictures, out of sample; higher = more anomalous.
        settings: as `Bank` holds them.
        origin: where the maps come from; a refusal begins with it.
    """
    full, rate = full_maps(maps, settings), settings["maps"]["red_rate"]
    red = pixel_threshold_from_good(full, STRATEGY, rate, origin=origin)
    return {"usual": float(np.median(maps)), "red": red.value, "promise": red.promise}


def full_maps(maps: np.ndarray, settings: Mapping[str, Any]) -> FullMaps:
    """Maps float32 `(K, h, w)` at the side of the bank's pictures, smoothed."""
    size = settings["backbone"]["image_size"]
    return FullMaps(maps, size, settings["maps"]["sigma"] * size)
