"""The nearest rows of a bank as a part of a graph: products in blocks, so that no large matrix is ever made.

Products of float32 say which rows are nearest, as |q - b|^2 = |q|^2 - 2 (q b - |b|^2 / 2), and the distances to these
are then taken from differences. So a distance near 0 is as exact as any other.
"""

from __future__ import annotations

import numpy as np
import torch

from iad.export.parts import Part

PRODUCTS = 2**22  # made at once: 16 MiB
SMALLEST = 1024  # rows of a block


class Nearest(Part):
    """The k nearest rows of a bank, by Euclidean distance.

    Args:
        bank: float16 or float32 `(N, D)`; kept in this type.
        k: neighbours, at most N.
        queries: Q, how many are asked together.

    >>> search = Nearest(np.float32([[0, 0], [3, 4], [6, 8]]), 2, 1)
    >>> [found.tolist() for found in search(torch.tensor([[3.0, 4.0]]))]
    [[[0.0, 5.0]], [[1, 0]]]
    """

    def __init__(self, bank: np.ndarray, k: int, queries: int) -> None:
        super().__init__()
        self.k, self.rows = k, max(SMALLEST, PRODUCTS // queries)
        self.starts = range(0, len(bank), self.rows)
        for number, start in enumerate(self.starts):
            block = torch.from_numpy(np.array(bank[start : start + self.rows]))
            self.register_buffer(f"bank_{number}", block)
            self.register_buffer(f"half_{number}", block.float().square().sum(1) / -2)

    def forward(self, queries: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Search for float32 `(Q, D)`.

        Returns:
            Distances, float32 `(Q, k)`, ascending but for rounding, and rows, int64 `(Q, k)`.
        """
        found = [self._of_block(number, queries) for number in range(len(self.starts))]
        values, rows = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
        if values.shape[1] > self.k:
            _, places = torch.topk(values, self.k, dim=1)
            rows = torch.gather(rows, 1, places)
        return self._distances(queries, rows), rows

    def _of_block(self, number: int, queries: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        bank = getattr(self, f"bank_{number}")
        products = queries @ bank.float().T + getattr(self, f"half_{number}")
        values, rows = torch.topk(products, min(self.k, len(bank)), dim=1)
        return values, rows + self.starts[number]

    def _distances(self, queries: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """From differences to the rows, each of which lies in one of the blocks."""
        squared = torch.zeros(rows.shape, dtype=torch.float32)
        for number, start in enumerate(self.starts):
            bank = getattr(self, f"bank_{number}")
            inside = (rows >= start) & (rows < start + len(bank))
            near = bank[(rows - start).clamp(0, len(bank) - 1)].float()  # (Q, k, D)
            here = (queries[:, None] - near).square().sum(2)
            squared = torch.where(inside, here, squared)
        return squared.sqrt()
