"""Nearest rows of a small bank, by comparing every pair in float64.

Neighbours are found by one matrix product per block, and their distances are then computed again from the differences,
so that a query identical to a row is at distance 0 exactly. Blocks bound the memory: no array of queries x bank x
dimensions is ever held, and neither side is copied whole. Large banks are for `iad.neighbors.exact`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

QUERY_ROWS = 512
BANK_ROWS = 2048


def double(rows: np.ndarray) -> np.ndarray:
    """Rows `(n, D)` of any float type as float64."""
    return rows.astype(np.float64)


def nearest_rows(
    bank: np.ndarray, queries: np.ndarray, k: int, leave_out: np.ndarray | None = None,
    *, place: Callable[[np.ndarray], np.ndarray] = double,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Find the k nearest rows of a bank.

    Args:
        bank: `(N, D)` of any float type; may be memory-mapped.
        queries: float64 `(M, D)`, placed as `place` does it.
        k: number of neighbours, at least 1 and at most the number of rows that may be found.
        leave_out: int64 `(M,)`, the row of the bank that each query must not find; None leaves out none.
        place: what becomes of rows of the bank first, to float64 `(n, D)`.

    Returns:
        Squared Euclidean distances, float64 `(M, k)`, ascending, and rows, int64 `(M, k)`.

    >>> distances, rows = nearest_rows(np.array([[0.0], [3.0], [1.0]]), np.array([[1.5]]), 2)
    >>> distances.tolist(), rows.tolist()
    ([[0.25, 2.25]], [[2, 0]])
    """
    squared, rows = np.empty((len(queries), k)), np.empty((len(queries), k), dtype=np.int64)
    for start in range(0, len(queries), QUERY_ROWS):
        part = slice(start, start + QUERY_ROWS)
        own = None if leave_out is None else leave_out[part]
        squared[part], rows[part] = _nearest(bank, place, queries[part], k, own)
    return squared, rows


def _nearest(
    bank: np.ndarray, place: Callable[[np.ndarray], np.ndarray], queries: np.ndarray, k: int, own: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    best, found = np.full((len(queries), k), np.inf), np.full((len(queries), k), -1, dtype=np.int64)
    for start in range(0, len(bank), BANK_ROWS):
        block = place(bank[start : start + BANK_ROWS])  # (B, D)
        squared = _products(queries, block)  # (M, B)
        if own is not None:
            inside = (own >= start) & (own < start + len(block))
            squared[np.flatnonzero(inside), own[inside] - start] = np.inf
        columns = np.argpartition(squared, min(k, len(block)) - 1, axis=1)[:, :k]
        exact = _differences(queries, block, columns)
        exact[np.isinf(np.take_along_axis(squared, columns, axis=1))] = np.inf
        every, rows = np.concatenate([best, exact], axis=1), np.concatenate([found, columns + start], axis=1)
        order = np.argsort(every, axis=1, kind="stable")[:, :k]
        best, found = np.take_along_axis(every, order, axis=1), np.take_along_axis(rows, order, axis=1)
    return best, found


def _products(queries: np.ndarray, block: np.ndarray) -> np.ndarray:
    squared: np.ndarray = queries @ block.T
    squared *= -2
    squared += np.einsum("md,md->m", queries, queries)[:, None]
    squared += np.einsum("bd,bd->b", block, block)[None, :]
    return squared


def _differences(queries: np.ndarray, block: np.ndarray, columns: np.ndarray) -> np.ndarray:
    # one neighbour at a time: the product above cancels digits where two rows almost coincide
    exact = np.empty(columns.shape)
    for place in range(columns.shape[1]):
        difference = queries - block[columns[:, place]]
        exact[:, place] = np.einsum("md,md->m", difference, difference)
    return exact
