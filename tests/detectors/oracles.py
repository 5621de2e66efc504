"""What detectors are measured against, by definition: distances one by one."""

from __future__ import annotations

import numpy as np


def distances_to(bank, query, metric="euclidean"):
    """Distance of one query to every row of a bank, float64 `(N,)`, each from its own difference."""
    bank, query = np.asarray(bank, dtype=np.float64), np.asarray(query, dtype=np.float64)
    if metric == "euclidean":
        return np.array([np.sqrt(((row - query) ** 2).sum()) for row in bank])
    return np.array([1 - (row @ query) / (np.linalg.norm(row) * np.linalg.norm(query)) for row in bank])


def knn_scores(bank, queries, *, k, metric="euclidean", aggregate="mean", leave_out=None):
    """Mean distance of every query to its k nearest rows of a bank, or the distance to the k-th.

    `leave_out` names the row that a query must not find, its own.
    """
    scores = []
    for place, query in enumerate(queries):
        others = bank if leave_out is None else np.delete(bank, leave_out[place], axis=0)
        nearest = np.sort(distances_to(others, query, metric))[:k]
        scores.append(nearest.mean() if aggregate == "mean" else nearest[-1])
    return np.array(scores)


def leave_one_out_scores(bank, **settings):
    """Score of every row of a bank against the others."""
    return knn_scores(bank, bank, leave_out=np.arange(len(bank)), **settings)


def patch_distances(pictures, bank_of, k):
    """Mean distance to the k nearest of `bank_of(number of the picture)`, patch by patch, `(M, h, w)`."""
    return np.array([
        [[np.sort(distances_to(bank_of(number), patch))[:k].mean() for patch in row] for row in picture]
        for number, picture in enumerate(pictures)
    ])  # fmt: skip
