"""Distances of chosen pairs of a query and a row, from differences: in float32 to choose, in float64 to answer."""

from __future__ import annotations

import torch

from iad.neighbors.codes import CARD, GROUP
from iad.neighbors.hidden import Hidden
from iad.neighbors.vectors import ROUNDING, TINY

VALUES = 2**17  # of the rows measured together; no more than stays in a processor's cache


class Measure:
    """Distances of queries to rows of a bank.

    Args:
        bank: float32 `(N, D)`.

    Attributes:
        relative: twice what the float32 squared distances of one pair may differ by, as a share.
    """

    def __init__(self, bank: torch.Tensor) -> None:
        self.bank = bank
        self.relative = 4 * ROUNDING * (bank.shape[1] + 4)
        self.at_once = 1 if bank.device.type == "cpu" else CARD

    def squared(
        self, queries: torch.Tensor, who: torch.Tensor, row: torch.Tensor, *, exact: bool = False
    ) -> torch.Tensor:
        """Squared distances `(P,)` of queries `who` to rows `row`, int64 `(P,)`: float32, or float64 if exact."""
        dtype = torch.float64 if exact else torch.float32
        found = torch.empty(len(who), dtype=dtype, device=self.bank.device)
        step = max(1, VALUES // self.bank.shape[1]) * self.at_once
        rows, columns = torch.empty(  # made once
            2, min(step, len(who)), self.bank.shape[1], dtype=torch.float32, device=self.bank.device
        )
        for start in range(0, len(who), step):
            part = slice(start, min(start + step, len(who)))
            size = part.stop - start
            left = torch.index_select(self.bank, 0, row[part], out=rows[:size])
            right = torch.index_select(queries, 0, who[part], out=columns[:size])
            away = left.double().sub_(right) if exact else left.sub_(right)
            torch.linalg.vecdot(away, away, out=found[part])
        return found

    def groups(self, queries: torch.Tensor, who: torch.Tensor, group: torch.Tensor, hidden: Hidden) -> torch.Tensor:
        """Squared distances, float32 `(P, GROUP)`, of queries `who` to the rows of `group`; infinite if hidden."""
        size, dimensions = self.bank.shape
        squared = torch.empty(len(who), GROUP, dtype=torch.float32, device=self.bank.device)
        inside = torch.arange(GROUP, device=self.bank.device)
        step = max(1, 8 * VALUES // (GROUP * dimensions)) * self.at_once
        space = torch.empty(min(step, len(who)) * GROUP, dimensions, dtype=torch.float32, device=self.bank.device)
        for start in range(0, len(who), step):
            part = slice(start, start + step)
            rows = group[part, None] * GROUP + inside
            found = space[: rows.numel()]
            torch.index_select(self.bank, 0, rows.clamp(max=size - 1).flatten(), out=found)
            vectors = found.view(*rows.shape, dimensions).sub_(queries[who[part], None])
            out_of_reach = (rows >= size) | hidden.has(rows, who[part])
            squared[part] = torch.linalg.vecdot(vectors, vectors).masked_fill_(out_of_reach, torch.inf)
        return squared

    def limit(self, squared: torch.Tensor, k: int) -> torch.Tensor:
        """What no squared distance of one of the k nearest is above, `(M,)`, given some of every query, `(M, n)`."""
        return squared.topk(k, dim=1, largest=False).values[:, -1] * (1 + self.relative) + TINY

    def closest(self, who: torch.Tensor, squared: torch.Tensor, count: int, k: int) -> torch.Tensor:
        """Which pairs, bool `(P,)`, may be of the k nearest of their query, given float32 squared distances `(P,)`.

        Each of the queries, numbered below `count`, has k pairs or more, or none.
        """
        order = squared.argsort()
        order = order[who[order].argsort(stable=True)]
        lengths = torch.bincount(who, minlength=count)
        last = (lengths.cumsum(0) - lengths + k - 1).clamp_(min=0, max=max(len(who) - 1, 0))
        kth = squared[order][last] if len(who) else squared.new_zeros(count)
        return squared <= (kth * (1 + self.relative) + TINY)[who]
