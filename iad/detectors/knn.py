"""Distance to the k nearest good pictures as the anomaly score, exact.

The neighbours are found by one matrix product per block in float64 and their distances are then computed again from the
differences, so that a picture identical to a good one scores exactly 0. Blocks bound the memory: no array of
queries x bank x dimensions is ever held, and neither operand is copied whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from iad.errors import IadError
from iad.progress import bar

QUERY_ROWS = 512
BANK_ROWS = 2048
AGGREGATES = {"mean": lambda nearest: nearest.mean(axis=1), "kth": lambda nearest: nearest[:, -1]}


@dataclass(frozen=True)
class Space:
    """How features are placed before distances are taken: optional scaling, then unit length for cosine.

    `shift` and `scale` are float64 `(D,)`; a feature that never varies has scale 1.
    """

    metric: str
    shift: np.ndarray
    scale: np.ndarray

    def place(self, features: np.ndarray) -> np.ndarray:
        """Return float64 `(n, D)` for features `(n, D)` of any float type."""
        placed: np.ndarray = features.astype(np.float64)
        placed -= self.shift
        placed /= self.scale
        if self.metric == "cosine":
            placed /= np.maximum(np.linalg.norm(placed, axis=1, keepdims=True), np.finfo(np.float64).tiny)
        return placed

    def distance(self, squared: np.ndarray) -> np.ndarray:
        """Turn squared Euclidean distances of placed features into the metric's distance."""
        return squared / 2 if self.metric == "cosine" else np.asarray(np.sqrt(squared))


def knn_scores(
    bank: np.ndarray, queries: np.ndarray, *, k: int, metric: str, standardize: bool, aggregate: str
) -> np.ndarray:
    """Score queries by their distance to good pictures.

    Args:
        bank: float32 `(N, D)`, features of good pictures; may be memory-mapped.
        queries: float32 `(M, D)`.
        k: number of neighbours.
        metric: "euclidean" (in feature units) or "cosine" (1 - cosine similarity, in [0, 2]).
        standardize: subtract the bank's mean and divide by its standard deviation, feature by feature.
        aggregate: "mean" of the k nearest distances, or "kth", the distance to the k-th.

    Returns:
        float64 `(M,)`, higher = more anomalous.

    Raises:
        IadError: if the bank has fewer than k rows.

    >>> bank = np.array([[0.0, 0.0], [3.0, 4.0]], dtype=np.float32)
    >>> knn_scores(bank, bank, k=2, metric="euclidean", standardize=False, aggregate="mean")
    array([2.5, 2.5])
    """
    _require(k, len(bank))
    return _score(bank, queries, k, _space(bank, metric, standardize), aggregate, leave_out=False)


def leave_one_out_scores(bank: np.ndarray, *, k: int, metric: str, standardize: bool, aggregate: str) -> np.ndarray:
    """Score each good picture against all the others, so that none finds itself at distance 0.

    Arguments as in `knn_scores`. The mean and deviation of `standardize` are those of the whole bank.

    Returns:
        float64 `(N,)`, higher = more anomalous.

    Raises:
        IadError: if there are fewer than k other pictures.

    >>> bank = np.array([[0.0], [1.0], [3.0]], dtype=np.float32)
    >>> leave_one_out_scores(bank, k=1, metric="euclidean", standardize=False, aggregate="mean")
    array([1., 1., 2.])
    """
    _require(k, len(bank) - 1)
    return _score(bank, bank, k, _space(bank, metric, standardize), aggregate, leave_out=True)


def _require(k: int, available: int) -> None:
    if available < k:
        raise IadError(
            f"k = {k}, but only {available} good pictures can be neighbours; "
            f"set method.k to {max(available, 1)} or less, or add good pictures"
        )


def _space(bank: np.ndarray, metric: str, standardize: bool) -> Space:
    dimensions = bank.shape[1]
    if not standardize:
        return Space(metric, np.zeros(dimensions), np.ones(dimensions))
    mean, variance = np.zeros(dimensions), np.zeros(dimensions)
    for block in _blocks(bank):
        mean += block.sum(axis=0) / len(bank)
    for block in _blocks(bank):
        variance += ((block - mean) ** 2).sum(axis=0) / len(bank)
    return Space(metric, mean, np.where(variance > 0, np.sqrt(variance), 1.0))


def _blocks(bank: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(bank), BANK_ROWS):
        yield bank[start : start + BANK_ROWS].astype(np.float64)


def _score(
    bank: np.ndarray, queries: np.ndarray, k: int, space: Space, aggregate: str, *, leave_out: bool
) -> np.ndarray:
    scores = np.empty(len(queries))
    with bar("nearest neighbours", len(queries)) as shown:
        for start in range(0, len(queries), QUERY_ROWS):
            rows = slice(start, min(start + QUERY_ROWS, len(queries)))
            own = np.arange(rows.start, rows.stop) if leave_out else None
            squared = _nearest_squared(bank, space.place(queries[rows]), k, space, own)  # (rows, k)
            scores[rows] = AGGREGATES[aggregate](space.distance(squared))
            shown.update(rows.stop - rows.start)
    return scores


def _nearest_squared(bank: np.ndarray, queries: np.ndarray, k: int, space: Space, own: np.ndarray | None) -> np.ndarray:
    """Squared distances `(M, k)`, ascending, of placed queries to their nearest bank rows other than `own`."""
    best = np.full((len(queries), k), np.inf)
    for start in range(0, len(bank), BANK_ROWS):
        block = space.place(bank[start : start + BANK_ROWS])  # (B, D)
        squared = _squared_distances(queries, block)  # (M, B)
        if own is not None:
            inside = (own >= start) & (own < start + len(block))
            squared[np.flatnonzero(inside), own[inside] - start] = np.inf
        columns = np.argpartition(squared, min(k, len(block)) - 1, axis=1)[:, :k]
        exact = _exact(queries, block, columns)
        exact[np.isinf(np.take_along_axis(squared, columns, axis=1))] = np.inf
        best = np.sort(np.concatenate([best, exact], axis=1), axis=1)[:, :k]
    return best


def _squared_distances(queries: np.ndarray, block: np.ndarray) -> np.ndarray:
    squared: np.ndarray = queries @ block.T
    squared *= -2
    squared += np.einsum("md,md->m", queries, queries)[:, None]
    squared += np.einsum("bd,bd->b", block, block)[None, :]
    return squared


def _exact(queries: np.ndarray, block: np.ndarray, columns: np.ndarray) -> np.ndarray:
    # one neighbour at a time: the product above cancels digits where two pictures almost coincide
    exact = np.empty(columns.shape)
    for place in range(columns.shape[1]):
        difference = queries - block[columns[:, place]]
        exact[:, place] = np.einsum("md,md->m", difference, difference)
    return exact
