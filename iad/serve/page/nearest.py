"""Which good pictures a picture was compared with, of methods that compare with single ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from iad.bundles.fitted import Fitted
from iad.detectors.embeddings import Embeddings, required

MOST = 3


def nearest_good(fitted: Fitted, embeddings: Embeddings) -> list[int]:
    """Numbers of the good pictures that are nearest, at most `MOST`; none where the method has no neighbours.

    With patches, those come first that own the nearest good patch of the most places.

    Args:
        fitted: the method; of a hybrid, its first member with neighbours tells.
        embeddings: of one picture, as `iad.bundles.predictor.Predictor.embed` gives them.
    """
    if fitted.members:
        parts = embeddings.members or {}
        told = (nearest_good(member, parts[member.method]) for member in fitted.members)
        return next((some for some in told if some), [])
    find = FINDERS.get(fitted.kind)
    return find(fitted.detector, embeddings) if find else []


def _of_pooled(detector: Any, embeddings: Embeddings) -> list[int]:
    neighbors = detector.neighbors
    found = neighbors.nearest(np.asarray(embeddings.pooled), k=min(MOST, neighbors.size))
    return [int(row) for row in found.rows[0]]


def _of_patches(detector: Any, embeddings: Embeddings) -> list[int]:
    patches = np.asarray(required(embeddings.patches, "patch embeddings"))[0]  # (h, w, D)
    queries = patches.reshape(-1, patches.shape[2]).astype(np.float32)  # (h w, D)
    _, rows = detector.bank.search.search(queries, 1)
    owners, counts = np.unique(detector.bank.rows[rows[:, 0]] // detector.bank.per_picture, return_counts=True)
    return [int(one) for one in owners[np.argsort(-counts, kind="stable")][:MOST]]


FINDERS: dict[str, Callable[[Any, Embeddings], list[int]]] = {"knn": _of_pooled, "patch": _of_patches}
