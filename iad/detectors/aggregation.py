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


def above_quantile(maps: np.ndarray, quantile: float) -> np.ndarray:
    """What of each map lies above a quantile of its own values, so that what is odd all over is not odd anywhere.

    A defect changes what a transformer sees everywhere in the picture, and so does other light: every place lies
    farther from good ones, and a threshold from good pictures would mark them all. The quantile should be one that a
    defect's own places do not reach.

    Args:
        maps: float32 `(N, h, w)`, at least 0, higher = more anomalous; places of exactly 0, such as those outside the
            foreground, do not count for the quantile.
        quantile: in (0, 1).

    Returns:
        float32 `(N, h, w)`: the excess, and 0 below the quantile.

    >>> above_quantile(np.array([[[0, 2, 3], [4, 5, 6]]], dtype=np.float32), 0.5).tolist()
    [[[0.0, 0.0, 0.0], [0.0, 1.0, 2.0]]]
    """
    found = np.zeros_like(maps)
    for number, one in enumerate(maps):
        if (counted := one[one > 0]).size:
            np.maximum(one - np.quantile(counted, quantile), 0, out=found[number])
    return found
