"""Exact nearest neighbours in a bank of vectors, found through cheap products whose error is known.

A filter names rows that may be among the k nearest of a query; no other can be. They are measured in float64, so that
the answer is that of brute force, whatever the filter. Queries for which a filter names too many rows (in a bank of
copies, say) go to the next one, and at last to brute force:

1. Few queries or few rows are multiplied at once, in float32.
2. Others are multiplied with all rows, as 8-bit integers where the processor is fast at that.
3. Where it is not, many queries are compared with clusters of the bank, once as many were asked as pay for making them,
   and the rest is multiplied with all rows in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

import numpy as np
import torch

from iad.errors import IadError
from iad.neighbors.clusters import ClusterFilter, clusters_that_help
from iad.neighbors.filters import Candidates, Filter, Float32Filter, Int8Filter, int8_is_fast
from iad.neighbors.hidden import Hidden
from iad.neighbors.measure import Measure
from iad.neighbors.vectors import as_tensor, full_precision, no_room

QUERIES = 1024  # queries answered together
BRUTE_ROWS = 4096
SMALL = 2**22  # queries times rows, up to which all products are taken at once, in the processor's cache
MEDIUM = 2**25  # the same without 8-bit integers or clusters, in parts of SMALL
FEW = 32  # queries that a part has at least
CROWD = 48  # queries that are compared with clusters: each cluster has its price
PAYS = 2048  # queries that pay for the clusters


class ExactSearch:
    """Nearest neighbours in a bank, by Euclidean distance.

    Args:
        bank: float32 `(N, D)`; kept as it is, and may be memory-mapped.
        low_precision: filter with 8-bit integers where the processor multiplies them fast; the answer is the same.
        device: "cpu" or "cuda"; a card holds the bank in float32 and, for the filter, in 8-bit integers.

    Raises:
        IadError: if the bank is empty, not float32, or holds a value that is not finite or beyond 1e15; or if the card
            has no room for it.

    >>> bank = np.float32([[0, 0], [3, 4], [6, 8]])
    >>> distances, rows = ExactSearch(bank).search(np.float32([[3, 3]]), 2)
    >>> distances.round(3).tolist(), rows.tolist()
    ([[1.0, 4.243]], [[1, 0]])
    """

    def __init__(self, bank: np.ndarray, *, low_precision: bool = True, device: str = "cpu") -> None:
        tensor = as_tensor(bank, "bank")
        if not len(bank):
            raise IadError("bank: no rows; an exact search needs one at least")
        self.device = torch.device(device)
        self.asked = 0
        self.clusters: ClusterFilter | None = None
        self._making = Lock()
        try:
            with full_precision(device):
                self.bank = tensor.to(self.device)
                self.measure = Measure(self.bank)
                self.float32 = Float32Filter(self.bank)
                self.filters: list[Filter] = [self.float32]
                if low_precision and int8_is_fast(device):
                    self.filters.insert(0, Int8Filter(self.bank))
                self.can_cluster = device == "cpu" and len(self.filters) == 1
        except torch.OutOfMemoryError:
            raise no_room(bank.shape) from None

    def search(self, queries: np.ndarray, k: int, *, hidden: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Find the k nearest rows of the bank; of rows equally near, those that come first.

        Args:
            queries: float32 `(M, D)`.
            k: number of neighbours, at least 1.
            hidden: int64 `(M, 2)`, or `(1, 2)` for all queries alike: rows from the first up to, but without, the
                second are no neighbours (a picture's own patches). Queries with the same rows best follow one another.

        Returns:
            Distances, float64 `(M, k)`, ascending, and rows, int64 `(M, k)`.

        Raises:
            IadError: if fewer than k rows can be neighbours, or the queries are not float32, finite and of D values.

        >>> search = ExactSearch(np.float32([[0], [1], [5]]))
        >>> own = np.array([[0, 2]])  # the picture's own rows are 0 and 1
        >>> distances, rows = search.search(np.float32([[0]]), 1, hidden=own)
        >>> distances.tolist(), rows.tolist()
        ([[5.0]], [[2]])
        """
        tensor = as_tensor(queries, "queries", self.bank.shape[1])
        ranges = np.zeros((1, 2), np.int64) if hidden is None else hidden
        _require_rows(k, len(self.bank) - int(np.diff(ranges).max(initial=0)))
        own = Hidden(torch.from_numpy(ranges).to(self.device).expand(len(queries), 2))
        distances, rows = np.empty((len(queries), k)), np.empty((len(queries), k), dtype=np.int64)
        try:
            with full_precision(self.device.type) as dtype:
                many = len(queries) >= CROWD and self._has_clusters(len(queries))
                at_once = len(queries) * len(self.bank) <= (SMALL if many or len(self.filters) > 1 else MEDIUM)
                step = min(QUERIES, max(FEW, SMALL // len(self.bank))) if at_once else QUERIES
                for start in range(0, len(queries), step):
                    part = tensor[start : start + step].to(self.device)
                    squared, rows[start : start + step] = self._search(
                        part, k, own[start : start + step], dtype, at_once=at_once, many=many
                    )
                    distances[start : start + step] = np.sqrt(squared)
        except torch.OutOfMemoryError:
            raise no_room(self.bank.shape) from None
        return distances, rows

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Rows of the bank by number, int64 `(n,)`: float32 `(n, D)`.

        >>> ExactSearch(np.float32([[0], [1], [5]])).vectors(np.array([2, 0])).tolist()
        [[5.0], [0.0]]
        """
        found: np.ndarray = self.bank[torch.from_numpy(rows).to(self.device)].cpu().numpy()
        return found

    def _has_clusters(self, queries: int) -> bool:
        """Whether there are clusters to compare so many more queries with; they are made when it pays."""
        with self._making:
            before, self.asked = self.asked, self.asked + queries
            if self.can_cluster and before < PAYS <= self.asked:
                self.clusters = clusters_that_help(self.bank)
        return self.clusters is not None

    def _search(
        self, queries: torch.Tensor, k: int, hidden: Hidden, dtype: torch.dtype, *, at_once: bool, many: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        squared, rows = np.empty((len(queries), k)), np.empty((len(queries), k), dtype=np.int64)
        left = torch.arange(len(queries), device=self.device)
        for one in self._filters(at_once=at_once, many=many):
            query, row, done = one(queries[left].to(dtype), k, hidden[left], self.measure)
            there = left[done].cpu().numpy()
            squared[there], rows[there] = self._nearest(queries[left], query, row, k)
            left = left[~done]
            if not len(left):
                return squared, rows
        for query in left.tolist():
            squared[query], rows[query] = self._brute(queries[query], k, hidden.ranges[query].tolist())
        return squared, rows

    def _filters(self, *, at_once: bool, many: bool) -> Iterator[Candidates]:
        """What names candidates, one after the other."""
        if at_once:
            yield self.float32.at_once
        elif many and self.clusters:
            yield self.clusters.candidates
        yield from (one.candidates for one in self.filters)

    def _nearest(
        self, queries: torch.Tensor, query: torch.Tensor, row: torch.Tensor, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest in float64 of the rows that may be: k or more of a query, or none."""
        exact = self.measure.squared(queries, query, row, exact=True).cpu().numpy()
        who, rows = query.cpu().numpy(), row.cpu().numpy()
        order = np.lexsort((rows, exact, who))
        first = np.flatnonzero(np.diff(who[order], prepend=-1))  # where each query's rows begin
        chosen = order[first[:, None] + np.arange(k)]
        return exact[chosen], rows[chosen]

    def _brute(self, query: torch.Tensor, k: int, hidden: list[int]) -> tuple[np.ndarray, np.ndarray]:
        squared = np.empty(len(self.bank))
        for start in range(0, len(self.bank), BRUTE_ROWS):
            vectors = self.bank[start : start + BRUTE_ROWS].double() - query.double()
            squared[start : start + BRUTE_ROWS] = torch.linalg.vecdot(vectors, vectors).cpu().numpy()
        squared[slice(*hidden)] = np.inf
        rows = np.argsort(squared, kind="stable")[:k]
        return squared[rows], rows


def _require_rows(k: int, available: int) -> None:
    if available < 1:
        raise IadError(f"k = {k}, but the bank has no rows to choose from; give it more good pictures")
    if not 1 <= k <= available:
        most = f"{available} or less" if k > available else "1 or more"
        raise IadError(f"k = {k}, but the bank has {available} rows to choose from; set k to {most}")
