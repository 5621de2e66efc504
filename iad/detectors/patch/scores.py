"""From patches to one score per picture: distances to a memory bank, and which of their places count."""

from __future__ import annotations

import numpy as np

from iad.detectors.aggregation import aggregate_maps
from iad.detectors.patch.memory_bank import MemoryBank
from iad.neighbors.patch_view import PatchView


def draw_pictures(pictures: int, most: int, seed: int) -> np.ndarray:
    """Which training pictures calibrate, ascending: all, or `most` drawn at random (0: all)."""
    if most == 0 or most >= pictures:
        return np.arange(pictures)
    return np.sort(np.random.default_rng(seed).choice(pictures, most, replace=False))


def patch_scores(
    bank: MemoryBank,
    pictures: np.ndarray | PatchView,
    maps: np.ndarray,
    *,
    aggregate: str,
    top_places: int,
    subtract_median: float,
    own: np.ndarray | None = None,
) -> np.ndarray:
    """Turn distance maps into one score per picture.

    Args:
        bank: what the maps are distances to.
        pictures: float16 or float32 `(M, h, w, D)`, or a view; read by "reweighted" alone.
        maps: float32 `(M, h, w)`, from `bank.distance_maps`.
        aggregate: "max", "top" (mean of the worst places) or "reweighted" (PatchCore's).
        top_places: number of places that count as worst.
        subtract_median: share of each map's median that is taken off its score.
        own: as in `MemoryBank.distance_maps`.

    Returns:
        float64 `(M,)`, higher = more anomalous.
    """
    if aggregate == "reweighted":
        scores = bank.reweighted(pictures, maps, own=own)
    else:
        share = top_places / (maps.shape[1] * maps.shape[2])
        scores = aggregate_maps(maps, aggregate=aggregate, top_share=min(share, 1.0))
    return np.asarray(scores - subtract_median * np.median(maps, axis=(1, 2)))


def only_falls(*, aggregate: str, subtract_median: float, coreset: float, foreground: str) -> bool:
    """Whether no score can rise when a picture joins the bank, so that leaving one out proves something.

    A distance to the nearest patches can only fall when a picture joins the whole bank; a coreset may change anywhere,
    and so may a difference of distances, and what counts as foreground.
    """
    return coreset == 1 and subtract_median == 0 and aggregate != "reweighted" and foreground == "none"
