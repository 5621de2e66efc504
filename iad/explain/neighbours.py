"""The nearest good patches, found exactly and then held, so that the distance to them can be differentiated."""

from __future__ import annotations

import torch
from torch import nn

from iad.export.nearest import Nearest

WIDE = 20  # neighbours of each patch that a shortlist keeps
TINY = 1e-12  # squared: at distance 0 there is no derivative


class Search(nn.Module):
    """`iad.export.nearest.Nearest` with derivatives, which may hold what it found or look at a shortlist alone.

    Args:
        whole: the search through all good patches.

    >>> import numpy as np
    >>> search = Search(Nearest(np.float32([[0.0], [4.0]]), 1, 1))
    >>> search(torch.tensor([[1.0]]))[0].tolist()
    [[1.0]]
    >>> search.hold()
    >>> search(torch.tensor([[3.0]]))[0].tolist()  # still to the neighbour of the last search
    [[3.0]]
    """

    def __init__(self, whole: Nearest) -> None:
        super().__init__()
        self.whole, self.k = whole, whole.k
        self.last: torch.Tensor | None = None  # (Q, k, D), of the last search
        self.held: torch.Tensor | None = None
        self.few: torch.Tensor | None = None  # (R, D)

    def forward(self, queries: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Distances float32 `(Q, k)` of queries float32 `(Q, D)`; rows are not told."""
        near = self.held
        if near is None:
            with torch.no_grad():
                near = self.last = self._found(queries) if self.few is None else self._shortlisted(queries, self.few)
        squared = (queries[:, None] - near).square().sum(2)
        return squared.clamp(min=TINY).sqrt(), None

    def hold(self) -> None:
        """Measure the distance to the neighbours of the last search from now on."""
        self.held = self.last

    def widen(self) -> None:
        """Find more neighbours than the score needs from now on, for a shortlist."""
        self.whole.k = min(max(WIDE, self.k), self.rows)

    def shorten(self, seen: list[torch.Tensor]) -> None:
        """Look at these neighbours `(Q, k, D)` alone from now on, so that distances are at least the exact ones."""
        self.few = torch.unique(torch.cat([one.flatten(0, 1) for one in seen]), dim=0)

    def release(self) -> None:
        """Search through all good patches again."""
        self.held = self.few = None
        self.whole.k = self.k

    @property
    def rows(self) -> int:
        """How many good patches there are."""
        return sum(len(self._block(number)) for number in range(len(self.whole.starts)))

    def _block(self, number: int) -> torch.Tensor:
        block: torch.Tensor = getattr(self.whole, f"bank_{number}")
        return block

    def _found(self, queries: torch.Tensor) -> torch.Tensor:
        _, rows = self.whole(queries)
        near = torch.empty(*rows.shape, queries.shape[1])
        for number, start in enumerate(self.whole.starts):
            block = self._block(number)
            here = (rows >= start) & (rows < start + len(block))
            near[here] = block[rows[here] - start].float()
        return near

    def _shortlisted(self, queries: torch.Tensor, few: torch.Tensor) -> torch.Tensor:
        products = queries @ few.T - few.square().sum(1) / 2
        return few[torch.topk(products, self.k, dim=1).indices]
