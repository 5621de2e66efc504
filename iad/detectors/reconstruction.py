"""How badly the autoencoder rebuilds a picture, as the anomaly score."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np


def reconstruction_scores(error_maps: Iterable[np.ndarray], *, aggregate: str, top_share: float) -> np.ndarray:
    """Aggregate error maps into one score per picture.

    Args:
        error_maps: batches, float32 `(B, H, W)`, squared error per pixel.
        aggregate: "mean" over all pixels (the original study), or "top", the mean over the worst pixels.
        top_share: share of the pixels, in (0, 1], that counts as worst; at least one pixel does.

    Returns:
        float64 `(N,)`, higher = more anomalous.

    >>> maps = [np.array([[[0.0, 0.0], [1.0, 3.0]]], dtype=np.float32)]
    >>> reconstruction_scores(maps, aggregate="mean", top_share=0.5)
    array([1.])
    >>> reconstruction_scores(maps, aggregate="top", top_share=0.5)
    array([2.])
    """
    batches = [AGGREGATES[aggregate](batch.reshape(len(batch), -1), top_share) for batch in error_maps]
    return np.concatenate([np.empty(0), *batches])


def _mean(errors: np.ndarray, _: float) -> np.ndarray:
    return errors.mean(axis=1, dtype=np.float64)


def _top(errors: np.ndarray, share: float) -> np.ndarray:
    worst = max(1, round(share * errors.shape[1]))
    return np.partition(errors, -worst, axis=1)[:, -worst:].mean(axis=1, dtype=np.float64)


AGGREGATES: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {"mean": _mean, "top": _top}
