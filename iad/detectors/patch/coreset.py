"""Greedy k-centre selection: a few rows of a bank such that no row is far from the nearest of them.

Gonzalez (1985), "Clustering to minimize the maximum intercluster distance": the next centre is the row farthest from
all centres so far. PatchCore (Roth et al. 2022, algorithm 1) shrinks its memory bank with it. The usual implementation
reads the whole bank once per centre. This one makes the same choices from few readings:

The distance of a row to its nearest centre only shrinks as centres are added. So the rows that are farthest now, a
pool, contain the next centre as long as one of them stays as far as every row outside was when the pool was made.
Within a pool, centres are chosen from distances among its own rows. When none of them is that far any more, all rows
are compared with the new centres in one matrix product, and the next pool is made. That product, in float32, gives
upper limits; choices are made from distances in float64.

The bank is only ever read in chunks, so it may be larger than the memory: what is kept of every row is 16 bytes, and of
every centre its vector in float32.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from iad.errors import IadError
from iad.neighbors.patch_view import PatchView
from iad.neighbors.vectors import ROUNDING, TINY, full_precision, refuse_unfit
from iad.progress import bar

CHUNK = 8192  # rows compared with new centres at once
POOL = 2048
NEAR = 1e-6  # squared distances below this part of the squared lengths are not taken from products, even in float64
PAIRS = 4096
CENTRES = 2048  # centres that a pool is compared with at once


def greedy_coreset(bank: np.ndarray | PatchView, count: int, *, seed: int = 0, device: str = "cpu") -> np.ndarray:
    """Choose rows by greedy k-centre, in the order of the choice.

    The first row is drawn; each next one is the farthest from those before it, by Euclidean distance between the given
    vectors (no random projection); of rows equally far, always the same one.

    Args:
        bank: float16 or float32 `(N, D)`, or patches whose rows are meant; may be memory-mapped.
        count: number of rows to choose.
        seed: of the first choice.
        device: "cpu" or "cuda", where distances are computed.

    Returns:
        Rows, int64 `(count,)`, or fewer if the bank has fewer different rows.

    Raises:
        IadError: if `count` is not between 1 and N, or the bank is not float16 or float32, finite and of two
            dimensions.

    >>> bank = np.float32([[0], [0], [0], [10], [10]])
    >>> sorted(bank[greedy_coreset(bank, 2)].ravel().tolist()), len(greedy_coreset(bank, 5))
    ([0.0, 10.0], 2)
    """
    view = bank if isinstance(bank, PatchView) else _as_view(bank)
    if not 1 <= count <= view.rows:
        raise IadError(f"a coreset of {count} rows from a bank of {view.rows}: choose from 1 to {view.rows}")
    new = np.random.default_rng(seed).integers(view.rows, size=1)
    chosen, left = [new], count - 1
    with bar("coreset", count, unit=" patches") as shown, full_precision(device) as dtype:
        selection = _Selection(view, count, torch.device(device), dtype)
        shown.update(1)
        while left and len(new):
            selection.add(torch.from_numpy(new))
            new = selection.farthest(left)
            chosen.append(new)
            left -= len(new)
            shown.update(len(new))
    return np.concatenate(chosen)


def _as_view(bank: np.ndarray) -> PatchView:
    if bank.ndim != 2:
        raise IadError(f"bank: the shape {bank.shape}; give (rows, dimensions)")
    return PatchView(bank[:, None, None])


class _Selection:
    """A bank, its centres so far, and an upper limit of every row's squared distance to the nearest of them."""

    def __init__(self, view: PatchView, most: int, device: torch.device, dtype: torch.dtype) -> None:
        self.view, self.device, self.dtype = view, device, dtype  # dtype: of the products with all rows
        self.size, self.dimensions = view.rows, view.shape[3]
        # results go to memory made before: small ones, kept between large ones that are freed, would hinder their reuse
        sums = torch.empty(-(-self.size // CHUNK), self.dimensions, dtype=torch.float64, device=device)
        self.squared = torch.empty(self.size, dtype=torch.float64, device=device)
        for start, rows in self._chunks():
            refuse_unfit(rows, "bank", start)
            torch.sum(rows.double(), 0, out=sums[start // CHUNK])
        self.mean = (sums.sum(0) / self.size).float()
        for start, rows in self._chunks():
            torch.sum((rows.double() - self.mean).square_(), 1, out=self.squared[start : start + CHUNK])
        self.centres = torch.empty(most, self.dimensions, dtype=torch.float32, device=device)
        self.count = 0  # of centres so far
        self.limit = torch.full((self.size,), torch.inf, dtype=torch.float64, device=device)

    def add(self, rows: torch.Tensor) -> None:
        """Lower every row's limit by these new centres.

        In float32 <x, c> - |c|^2 / 2 is wrong by no more than g |x| |c| + g |c|^2 / 2 <= g |x|^2 / 2 + g |c|^2; adding
        both parts keeps every limit above the true squared distance.
        """
        new = self.view.take(rows).to(self.device)
        rows = rows.to(self.device)
        self.centres[self.count : self.count + len(rows)] = new
        self.count += len(rows)
        error = ROUNDING * (self.dimensions + 8)  # 2 g
        halved = (self.squared[rows] * (0.5 + error / 2)).to(self.dtype)
        columns = (new - self.mean).T.contiguous().to(self.dtype)
        space = torch.empty(CHUNK, len(rows), dtype=self.dtype, device=self.device)
        for start, part in self._chunks():
            product = torch.addmm(halved, (part - self.mean).to(self.dtype), columns, beta=-1, out=space[: len(part)])
            found = self.squared[start : start + CHUNK] * (1 + error) + TINY - 2 * product.amax(1)
            torch.minimum(self.limit[start : start + CHUNK], found, out=self.limit[start : start + CHUNK])
        self.limit[rows] = 0

    def farthest(self, count: int) -> np.ndarray:
        """Up to `count` next centres, int64, at least one; none if every row coincides with a centre."""
        while True:
            top = self.limit.topk(min(POOL + 1, self.size))
            if float(top.values[0]) == 0:
                return np.empty(0, dtype=np.int64)
            pool = top.indices[:POOL].sort().values
            outside = float(top.values[POOL]) if len(top.values) > POOL else -1.0
            # pools and centres are compared less the mean, in float64
            vectors = self.view.take(pool.cpu()).to(self.device).double() - self.mean
            parts = torch.split(self.centres[: self.count], CENTRES)
            nearest = torch.stack([_squared(vectors, part.double() - self.mean).amin(1) for part in parts]).amin(0)
            nearest[self.limit[pool] == 0] = 0
            self.limit[pool] = nearest
            left = nearest > 0
            pool, nearest, vectors = pool[left], nearest[left], vectors[left]
            if not len(pool):
                continue
            between = _squared(vectors, vectors).cpu().numpy()
            chosen = _choose(between, nearest.cpu().numpy(), outside, count)
            if len(chosen):
                rows: np.ndarray = pool.cpu().numpy()[chosen]
                return rows

    def _chunks(self) -> Iterator[tuple[int, torch.Tensor]]:
        for start in range(0, self.size, CHUNK):
            yield start, self.view.read(start, start + CHUNK).to(self.device)


def _squared(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Squared distances, float64 `(n, m)`: of vectors that are far apart from products, else from differences."""
    sizes = left.square().sum(1)[:, None] + right.square().sum(1)
    found = torch.addmm(sizes, left, right.T, alpha=-2)
    for pairs in torch.split(torch.nonzero(found <= NEAR * sizes), PAIRS):
        row, column = pairs.T
        found[row, column] = (left[row] - right[column]).square().sum(1)
    return found


def _choose(between: np.ndarray, nearest: np.ndarray, outside: float, count: int) -> np.ndarray:
    """Greedy choices among the rows of a pool, while no row outside is farther than the farthest."""
    chosen: list[int] = []
    while len(chosen) < count:
        row = int(nearest.argmax())
        if nearest[row] < outside or nearest[row] == 0:
            break
        chosen.append(row)
        np.minimum(nearest, between[row], out=nearest)
        nearest[row] = 0
    return np.array(chosen, dtype=np.int64)
