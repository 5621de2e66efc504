"""Rows of a bank that are no neighbours of a query: a picture's own patches."""

from __future__ import annotations

from collections.abc import Iterator

import torch


class Hidden:
    """For each of M queries a range of rows that it must not find.

    Args:
        ranges: int64 `(M, 2)`: rows from the first up to, but without, the second.

    >>> hidden = Hidden(torch.tensor([[0, 4], [0, 4], [4, 6]]))
    >>> list(hidden.blocks())
    [(0, 4, slice(0, 2, None)), (4, 6, slice(2, 3, None))]
    >>> hidden.has(torch.tensor([3, 4]), torch.tensor([0, 0])).tolist()  # rows 3 and 4, of query 0
    [True, False]
    """

    def __init__(self, ranges: torch.Tensor) -> None:
        self.ranges = ranges

    def __getitem__(self, queries: torch.Tensor | slice) -> Hidden:
        """Of some queries, by their places."""
        return Hidden(self.ranges[queries])

    def has(self, rows: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        """Which rows, int64 `(P,)` or `(P, n)`, are hidden from query, int64 `(P,)`."""
        first, last = self.ranges[query].view(*query.shape, *[1] * (rows.ndim - query.ndim), 2).unbind(-1)
        return (rows >= first) & (rows < last)

    def blocks(self) -> Iterator[tuple[int, int, slice]]:
        """Ranges that hide a row, each with the consecutive queries that have it."""
        ranges, lengths = torch.unique_consecutive(self.ranges, dim=0, return_counts=True)
        start = 0
        for (first, last), length in zip(ranges.tolist(), lengths.tolist(), strict=True):
            if first < last:
                yield first, last, slice(start, start + length)
            start += length
