"""Exact nearest neighbours in a bank of vectors, found through a cheap product whose error is known.

Three steps per block of queries:

1. A filter ranks all rows, in groups, by a product of limited precision (8-bit integers, or float32).
2. The rows of the most promising groups are measured. The k-th nearest of them limits the distance of the true k-th
   neighbour, so a group whose best row cannot reach that limit, the filter's error included, holds no neighbour.
3. The rows of the groups that remain are measured, those that float32 cannot tell apart in float64.

Few queries or few rows are multiplied at once, in float32, without groups that are measured first. So the answer is
that of brute force in float64, whatever the filter. Queries for which a filter leaves too many groups
(in a bank of copies, say) go to the next one, and at last to brute force.
"""

from __future__ import annotations

import numpy as np
import torch

from iad.errors import IadError
from iad.neighbors.codes import CARD, GROUP
from iad.neighbors.filters import Filter, Float32Filter, Int8Filter, int8_is_fast
from iad.neighbors.vectors import ROUNDING, TINY, as_tensor, full_precision, no_room

QUERIES = 1024  # queries answered together
PAIRS = 256  # pairs of a query and a group measured together
VALUES = 3 * 2**19  # and no more values of their rows than stay in the processor's cache
PATIENCE = 48  # a filter that leaves more than this part of all groups is no help
BRUTE_ROWS = 4096
SMALL = 2**22  # queries times rows, up to which all products are taken at once, in the processor's cache
MEDIUM = 2**25  # the same without 8-bit integers, in parts of SMALL
FEW = 32  # queries that a part has at least
EXACT = 256  # pairs of a query and a row measured together in float64


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
        self.at_once = 1 if device == "cpu" else CARD
        self.relative = 4 * ROUNDING * (bank.shape[1] + 4)  # twice what two squared distances in float32 differ by
        try:
            with full_precision(device):
                self.bank = tensor.to(self.device)
                self.float32 = Float32Filter(self.bank)
                self.filters: list[Filter] = [self.float32]
                if low_precision and int8_is_fast(device):
                    self.filters.insert(0, Int8Filter(self.bank))
        except torch.OutOfMemoryError:
            raise no_room(bank.shape) from None

    def search(self, queries: np.ndarray, k: int, *, hidden: tuple[int, int] = (0, 0)) -> tuple[np.ndarray, np.ndarray]:
        """Find the k nearest rows of the bank; of rows equally near, those that come first.

        Args:
            queries: float32 `(M, D)`.
            k: number of neighbours, at least 1.
            hidden: rows `hidden[0]` up to, but without, `hidden[1]` are no neighbours (a picture's own patches).

        Returns:
            Distances, float64 `(M, k)`, ascending, and rows, int64 `(M, k)`.

        Raises:
            IadError: if fewer than k rows can be neighbours, or the queries are not float32, finite and of D values.

        >>> search = ExactSearch(np.float32([[0], [1], [5]]))
        >>> distances, rows = search.search(np.float32([[0]]), 1, hidden=(0, 2))  # rows 0 and 1 are the picture's own
        >>> distances.tolist(), rows.tolist()
        ([[5.0]], [[2]])
        """
        tensor = as_tensor(queries, "queries", self.bank.shape[1])
        _require_rows(k, len(self.bank) - (hidden[1] - hidden[0]))
        distances, rows = np.empty((len(queries), k)), np.empty((len(queries), k), dtype=np.int64)
        at_once = len(queries) * len(self.bank) <= (SMALL if len(self.filters) > 1 else MEDIUM)
        step = min(QUERIES, max(FEW, SMALL // len(self.bank))) if at_once else QUERIES
        try:
            with full_precision(self.device.type) as dtype:
                for start in range(0, len(queries), step):
                    part = tensor[start : start + step].to(self.device)
                    squared, rows[start : start + step] = self._search(part, k, hidden, dtype, at_once=at_once)
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

    def _search(
        self, queries: torch.Tensor, k: int, hidden: tuple[int, int], dtype: torch.dtype, *, at_once: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        squared, rows = np.empty((len(queries), k)), np.empty((len(queries), k), dtype=np.int64)
        left = torch.arange(len(queries), device=self.device)
        if at_once:
            query, row, done = self.float32.candidates(queries.to(dtype), k, hidden, PATIENCE + 4 * k)
            there = done.cpu().numpy()
            squared[there], rows[there] = self._nearest(queries, query.cpu().numpy(), row.cpu().numpy(), k)
            left = left[~done]
        for one in self.filters:
            if not len(left):
                return squared, rows
            done, *answer = self._through(one, queries[left], k, hidden, dtype)
            there = left[done].cpu().numpy()
            squared[there], rows[there] = answer
            left = left[~done]
        for query in left.tolist():
            squared[query], rows[query] = self._brute(queries[query], k, hidden)
        return squared, rows

    def _through(
        self, one: Filter, queries: torch.Tensor, k: int, hidden: tuple[int, int], dtype: torch.dtype
    ) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
        """Which queries this filter settles, bool `(M,)`, and their squared distances and rows, `(settled, k)`."""
        ranked = one.rank(queries.to(dtype), hidden)
        owner, group = ranked.best_groups(k)
        measured = self._measure(queries, owner, group, hidden)  # (M * seeds, GROUP)
        nearest = measured.view(len(queries), -1)
        if nearest.shape[1] < k:
            none = torch.zeros(len(queries), dtype=torch.bool, device=self.device)
            return none, np.empty((0, k)), np.empty((0, k), dtype=np.int64)
        limit = nearest.topk(k, dim=1, largest=False).values[:, -1] * (1 + self.relative) + TINY
        more_owner, more_group, done = ranked.groups_within(limit, len(self.bank) // GROUP // PATIENCE + 4 * k)
        keep = done[owner]
        owner, group, measured = owner[keep], group[keep], measured[keep]
        more = self._measure(queries, more_owner, more_group, hidden)
        pairs = torch.cat([owner, more_owner]), torch.cat([group, more_group]), torch.cat([measured, more])
        return done, *self._settle(queries, *pairs, limit, k)

    def _measure(
        self, queries: torch.Tensor, owner: torch.Tensor, group: torch.Tensor, hidden: tuple[int, int]
    ) -> torch.Tensor:
        """Squared distances in float32 `(P, GROUP)` of queries `owner` to the rows of `group`; infinite if hidden."""
        size, dimensions = self.bank.shape
        squared = torch.empty(len(owner), GROUP, dtype=torch.float32, device=self.device)
        inside = torch.arange(GROUP, device=self.device)
        step = max(1, min(PAIRS, VALUES // (GROUP * dimensions))) * self.at_once
        # new memory takes time
        space = torch.empty(min(step, len(owner)) * GROUP, dimensions, dtype=torch.float32, device=self.device)
        for start in range(0, len(owner), step):
            part = slice(start, start + step)
            rows = group[part, None] * GROUP + inside
            found = space[: rows.numel()]
            torch.index_select(self.bank, 0, rows.clamp(max=size - 1).flatten(), out=found)
            vectors = found.view(*rows.shape, dimensions).sub_(queries[owner[part], None])
            out_of_reach = (rows >= size) | ((rows >= hidden[0]) & (rows < hidden[1]))
            squared[part] = torch.linalg.vecdot(vectors, vectors).masked_fill_(out_of_reach, torch.inf)
        return squared

    def _settle(
        self,
        queries: torch.Tensor,
        owner: torch.Tensor,
        group: torch.Tensor,
        squared: torch.Tensor,
        limit: torch.Tensor,
        k: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest of the measured rows of each query, in float64, and their places in the bank."""
        pair, place = torch.nonzero(squared <= limit[owner, None], as_tuple=True)
        who, row = owner[pair].cpu().numpy(), (group[pair] * GROUP + place).cpu().numpy()
        close = squared[pair, place].cpu().numpy()
        order = np.lexsort((close, who))
        who, row, close = who[order], row[order], close[order]
        first = np.flatnonzero(np.diff(who, prepend=-1))
        lengths = np.diff(np.append(first, len(who)))
        kth = np.repeat(close[first + k - 1], lengths)
        keep = close <= kth * (1 + self.relative) + TINY
        return self._nearest(queries, who[keep], row[keep], k)

    def _nearest(
        self, queries: torch.Tensor, who: np.ndarray, row: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest in float64 of the rows that may be; `who` ascends, and has k or more of each of its queries."""
        exact = self._exact(queries, who, row)
        order = np.lexsort((row, exact, who))
        first = np.flatnonzero(np.diff(who, prepend=-1))  # where each query's rows begin
        chosen = order[first[:, None] + np.arange(k)]
        return exact[chosen], row[chosen]

    def _exact(self, queries: torch.Tensor, who: np.ndarray, row: np.ndarray) -> np.ndarray:
        exact = np.empty(len(who))
        step = EXACT * self.at_once
        for start in range(0, len(who), step):
            part = slice(start, start + step)
            vectors = self.bank[torch.from_numpy(row[part]).to(self.device)].double()
            vectors -= queries[torch.from_numpy(who[part]).to(self.device)]
            exact[part] = torch.linalg.vecdot(vectors, vectors).cpu().numpy()
        return exact

    def _brute(self, query: torch.Tensor, k: int, hidden: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
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
