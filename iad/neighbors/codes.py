"""Vectors as 8-bit integers, with a limit on the error of every product taken of them.

Vectors are shifted by the bank's mean and turned by an orthogonal matrix, which changes no distance, and then rounded:
a query x = a p + e, a row y = b q + f, with integers p and q in [-127, 127]. By Cauchy and Schwarz

    |<x, y> - a b <p, q>| = |<e, y> + <a p, f>| <= |e| |y| + |a p| |f|,

and all four norms are known. Further integer columns hold |y|^2 / 2, so that one integer product ranks a whole bank by
<x, y> - |y|^2 / 2. The turn (random signs, then blocks of Hadamard matrices) spreads large coordinates over many, so
that few are cut off by the rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from iad.neighbors.hidden import Hidden

GROUP = 16  # rows of the bank whose best product stands for all
SUPER = 16  # groups that are looked at together
CHUNK = 2048  # rows of the bank in one product with MANY queries: their products stay in the processor's cache
MANY = 1024
CARD = 16  # a card has no such cache, but a price for each call: it takes this many times as much at once
COLUMNS = 8  # a card's 8-bit products want a multiple of so many queries
BLOCK = 64  # size of the Hadamard matrices
NORM_SHARE = 16  # one column for the norm per so many coordinates: they reach about half the mean squared norm
LARGEST = 127
REACH = 4.0  # coordinates are rounded up to this many times their root mean square in a long row, and cut off beyond
LONG = 0.99  # part of a chunk's rows that are shorter than a long row
FACTOR = 64  # integer that multiplies the columns of the norm, for a query as large as the bank's rows


@dataclass(frozen=True)
class QueryCodes:
    """Queries as integers, with the norms that limit the error.

    Attributes:
        integers: int8 `(K, M)`, one column per query.
        step: float32 `(M,)`, a.
        residual: float32 `(M,)`, |e|.
        rounded: float32 `(M,)`, |a p|.
        norm: float64 `(M,)`, |x|, after the shift.
    """

    integers: torch.Tensor
    step: torch.Tensor
    residual: torch.Tensor
    rounded: torch.Tensor
    norm: torch.Tensor


class BankCodes:
    """The rows of a bank as integers; the norms that limit the error are kept as the largest of each group.

    Args:
        bank: float32 `(N, D)`, on the device where products are taken; may be memory-mapped; read twice, in chunks.

    Attributes:
        integers: int8 `(groups * GROUP, K)`.
        step: float32 `(groups,)`, b; the same for all rows of a chunk, as is `shift`.
        shift: float32 `(groups,)`, the mean of |y|^2 / 2, which the integer columns leave out.
        norm: float32 `(groups,)`, |y|.
        residual: float32 `(groups,)`, |f|.
        rounding: float32 `(groups,)`, error of |y|^2 / 2 in the integer columns.
    """

    def __init__(self, bank: torch.Tensor) -> None:
        self.size, self.dimensions = bank.shape
        self.padded = -(-self.dimensions // BLOCK) * BLOCK
        self.device = bank.device
        generator = torch.Generator("cpu").manual_seed(0)  # the same numbers on every device
        signs = torch.randint(0, 2, (self.padded,), generator=generator, device="cpu").double() * 2 - 1
        order = torch.randperm(self.padded, generator=generator, device="cpu")
        self.signs, self.order, self.turn = (one.to(self.device) for one in (signs, order, _hadamard(BLOCK)))
        sums = torch.empty(-(-self.size // CHUNK), self.dimensions, dtype=torch.float64, device=self.device)
        for number, rows in enumerate(torch.split(bank, CHUNK)):
            torch.sum(rows.double(), 0, out=sums[number])  # kept apart from large passing memory, as in greedy_coreset
        self.mean = sums.sum(0) / self.size
        groups = -(-self.size // (GROUP * SUPER)) * SUPER
        self.norm_columns = -(-self.padded // (16 * NORM_SHARE)) * 16
        columns = self.padded + self.norm_columns
        self.integers = torch.zeros(groups * GROUP, columns, dtype=torch.int8, device=self.device)
        self.step, self.shift, self.norm, self.residual, self.rounding = torch.zeros(
            5, groups, dtype=torch.float32, device=self.device
        )
        self.typical_step = 0.0
        for start in range(0, self.size, CHUNK):
            self._fill(start, self.place(bank[start : start + CHUNK]))

    def place(self, vectors: torch.Tensor) -> torch.Tensor:
        """Shift and turn vectors, float32 `(n, D)`, into float64 `(n, padded D)`.

        >>> bank = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
        >>> one, other = BankCodes(bank).place(bank)
        >>> len(one), round(float((one - other).norm()), 6)  # turned, and as far apart as before
        (64, 5.0)
        """
        placed = torch.nn.functional.pad(vectors.double() - self.mean, (0, self.padded - self.dimensions))
        placed = (placed * self.signs)[:, self.order].view(len(vectors), -1, BLOCK)
        return (placed @ self.turn).view(len(vectors), -1)

    def encode(self, queries: torch.Tensor) -> QueryCodes:
        """Round queries, float32 `(M, D)`, with a step that suits both their size and the columns of the norm.

        >>> codes = BankCodes(torch.tensor([[0.0, 0.0], [6.0, 8.0]]))
        >>> coded = codes.encode(torch.tensor([[3.0, 4.0], [6.0, 8.0]]))  # the mean of the bank, and a row 5 from it
        >>> coded.norm.round(decimals=6).tolist(), bool(coded.residual[1] < 0.5)
        ([0.0, 5.0], True)
        """
        placed = self.place(queries)
        finest = placed.abs().amax(1).clamp(min=1e-300) / LARGEST
        factor = torch.floor(FACTOR * self.typical_step / finest).clamp(1, LARGEST)
        step = FACTOR * self.typical_step / factor
        rounded = (placed / step[:, None]).round_().clamp_(-LARGEST, LARGEST)
        integers = torch.empty(self.integers.shape[1], len(queries), dtype=torch.int8, device=self.device)
        integers[: self.padded] = rounded.T.to(torch.int8)
        integers[self.padded :] = factor.to(torch.int8)
        rounded *= step[:, None]
        residual, norm = (placed - rounded).norm(dim=1), placed.norm(dim=1)
        return QueryCodes(integers, step.float(), residual.float(), rounded.norm(dim=1).float(), norm)

    def products(self, queries: torch.Tensor, hidden: Hidden) -> torch.Tensor:
        """Largest product in each group with queries, int8 `(K, M)`: int32 `(groups, M)`; hidden rows take no part."""
        asked = queries.shape[1]
        chunk = CHUNK * min(max(MANY // max(asked, 1), 1), CARD)  # each product packs the queries anew
        if self.device.type != "cpu":
            chunk = CHUNK * CARD
            queries = torch.nn.functional.pad(queries, (0, -asked % COLUMNS)).T.contiguous().T
        count = queries.shape[1]
        best = torch.empty(len(self.step), count, dtype=torch.int32, device=self.device)
        space = torch.empty(chunk, count, dtype=torch.int32, device=self.device)
        absent = [*hidden.blocks(), (self.size, len(self.integers), slice(None))]
        for start in range(0, len(self.integers), chunk):
            rows = self.integers[start : start + chunk]
            product = torch._int_mm(rows, queries, out=space[: len(rows)])
            for first, last, columns in absent:
                product[max(first - start, 0) : max(last - start, 0), columns] = torch.iinfo(torch.int32).min
            groups = slice(start // GROUP, (start + len(rows)) // GROUP)
            torch.amax(product.view(-1, GROUP, count), 1, out=best[groups])
        return best[:, :asked]

    def _fill(self, start: int, placed: torch.Tensor) -> None:
        halved = placed.square().sum(1) / 2
        shift = halved.mean()
        long = 2 * torch.quantile(halved, LONG)
        step = float(REACH * (long / self.padded).sqrt() / LARGEST) or 1.0
        self.typical_step = self.typical_step or step
        rows = self.integers[start : start + len(placed)]
        rounded = (placed / step).round_().clamp_(-LARGEST, LARGEST)
        rows[:, : self.padded] = rounded.to(torch.int8)
        unit = FACTOR * self.typical_step * step  # what 1 in a column of the norm is worth, times -1
        reach = LARGEST * self.norm_columns
        coarse = ((halved - shift) / unit).round_().clamp_(-reach, reach)
        limits = {
            "norm": placed.norm(dim=1),
            "residual": (placed - step * rounded).norm(dim=1),
            "rounding": (halved - shift - unit * coarse).abs(),
        }
        for column in range(self.padded, self.padded + self.norm_columns):
            digit = coarse.clamp(-LARGEST, LARGEST)
            rows[:, column] = (-digit).to(torch.int8)
            coarse -= digit
        groups = slice(start // GROUP, start // GROUP + -(-len(placed) // GROUP))
        self.step[groups], self.shift[groups] = step, shift
        for name, values in limits.items():
            padded = torch.nn.functional.pad(values, (0, -len(values) % GROUP))
            getattr(self, name)[groups] = padded.view(-1, GROUP).amax(1)


def _hadamard(size: int) -> torch.Tensor:
    matrix = torch.ones(1, 1, dtype=torch.float64, device="cpu")
    while len(matrix) < size:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return torch.divide(matrix, size**0.5)
