"""From an anomaly map to one score per picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def aggregate_maps(maps: np.ndarray, *, aggregate: str, top_share: float) -> np.ndarray:
    """Turn anomaly maps into one score per picture.

    Args:
        maps: float32 `(N, h, w)`, higher = more anomalous.
        aggregate: "mean" over all places (the original study), "top", the mean over the worst places, or "max", the
            worst place.
        top_share: share of the places, in (0, 1], that counts as worst; at least one does.

    Returns:
        float64 `(N,)`, higher = more anomalous.

    >>> maps = np.array([[[0.0, 0.0], [1.0, 3.0]]])
    >>> [aggregate_maps(maps, aggregate=name, top_share=0.5).item() for name in ("mean", "top", "max")]
    [1.0, 2.0, 3.0]
    """
    return AGGREGATES[aggregate](maps.reshape(len(maps), maps.shape[1] * maps.shape[2]), top_share)


def _mean(places: np.ndarray, _: float) -> np.ndarray:
    return np.asarray(places.mean(axis=1, dtype=np.float64))


def _top(places: np.ndarray, share: float) -> np.ndarray:
    worst = max(1, round(share * places.shape[1]))
    return np.asarray(np.partition(places, -worst, axis=1)[:, -worst:].mean(axis=1, dtype=np.float64))


def _max(places: np.ndarray, _: float) -> np.ndarray:
    return np.asarray(places.max(axis=1), dtype=np.float64)


AGGREGATES: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {"mean": _mean, "top": _top, "max": _max}
