"""Greedy k-centre selection: a few rows of a bank such that no row is far from the nearest of them.

Gonzalez (1985), "Clustering to minimize the maximum intercluster distance": the next centre is the row farthest from
all centres so far. PatchCore (Roth et al. 2022, algorithm 1) shrinks its memory bank with it. The usual implementation
reads the whole bank once per centre. This one makes the same choices from few readings:

The distance of a row to its nearest centre only shrinks as centres are added. So the rows that are farthest now, a
pool, contain the next centre as long as one of them stays as far as every row outside was when the pool was made.
Within a pool, centres are chosen from distances among its own rows. When none of them is that far any more, all rows
are compared with the new centres in one matrix product, and the next pool is made. That product, in float32, gives
upper limits; choices are made from distances in float64.
"""

from __future__ import annotations

import numpy as np
import torch

from iad.errors import IadError
from iad.progress import bar

CHUNK = 8192  # rows compared with new centres at once
POOL = 2048
ROUNDING = 2.0**-23  # twice the unit roundoff of float32


def greedy_coreset(bank: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """Choose rows by greedy k-centre, in the order of the choice.

    The first row is drawn; each next one is the farthest from those before it, by Euclidean distance between the given
    vectors (no random projection); of rows equally far, always the same one.

    Args:
        bank: float32 `(N, D)`; may be memory-mapped, and is read in chunks.
        count: number of rows to choose.
        seed: of the first choice.

    Returns:
        Rows, int64 `(count,)`, or fewer if the bank has fewer different rows.

    Raises:
        IadError: if `count` is not between 1 and N.
    """
    if not 1 <= count <= len(bank):
        raise IadError(f"a coreset of {count} rows from a bank of {len(bank)}: choose from 1 to {len(bank)}")
    selection = _Selection(torch.from_numpy(bank))
    new = np.random.default_rng(seed).integers(len(bank), size=1)
    chosen, left = [new], count - 1
    with bar("coreset", count) as shown:
        shown.update(1)
        while left and len(new):
            selection.add(torch.from_numpy(new))
            new = selection.farthest(left)
            chosen.append(new)
            left -= len(new)
            shown.update(len(new))
    return np.concatenate(chosen)


class _Selection:
    """A bank, its centres so far, and an upper limit of every row's squared distance to the nearest of them."""

    def __init__(self, bank: torch.Tensor) -> None:
        self.bank = bank
        chunks = torch.split(bank, CHUNK)
        self.mean = (torch.stack([rows.double().sum(0) for rows in chunks]).sum(0) / len(bank)).float()
        self.squared = torch.cat([(rows - self.mean).double().square().sum(1) for rows in chunks])
        self.centres = torch.empty(0, bank.shape[1])  # less the mean, as everything that is compared here
        self.limit = torch.full((len(bank),), torch.inf, dtype=torch.float64)
        largest = 2 * float(self.squared.max())
        terms = (bank.shape[1] + 4) * largest
        self.error = ROUNDING * terms  # of a squared distance taken from a product in float32
        self.noise = 2.0**-52 * terms  # the same in float64

    def add(self, rows: torch.Tensor) -> None:
        """Lower every row's limit by these new centres."""
        new = self.bank[rows] - self.mean
        self.centres = torch.cat([self.centres, new])
        halved, columns = (self.squared[rows] / 2).float(), new.T.contiguous()
        space = torch.empty(CHUNK, len(rows))
        for start in range(0, len(self.bank), CHUNK):
            part = self.bank[start : start + CHUNK] - self.mean
            product = torch.addmm(halved, part, columns, beta=-1, out=space[: len(part)])
            found = self.squared[start : start + CHUNK] - 2 * product.amax(1) + self.error
            torch.minimum(self.limit[start : start + CHUNK], found, out=self.limit[start : start + CHUNK])
        self.limit[rows] = 0

    def farthest(self, count: int) -> np.ndarray:
        """Up to `count` next centres, int64, at least one; none if every row coincides with a centre."""
        while True:
            top = self.limit.topk(min(POOL + 1, len(self.bank)))
            if float(top.values[0]) == 0:
                return np.empty(0, dtype=np.int64)
            pool = top.indices[:POOL].sort().values
            outside = float(top.values[POOL]) if len(top.values) > POOL else -1.0
            vectors = (self.bank[pool] - self.mean).double()
            nearest = self._squared(vectors, self.centres.double()).amin(1)
            nearest[self.limit[pool] == 0] = 0
            self.limit[pool] = nearest
            chosen = _choose(self._squared(vectors, vectors).numpy(), nearest.numpy().copy(), outside, count)
            if len(chosen):
                return np.asarray(pool.numpy()[chosen])

    def _squared(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Squared distances of rows less the mean, float64 `(n, m)`; 0 where they are no more than rounding."""
        found = torch.addmm(right.square().sum(1), left, right.T, alpha=-2).add_(left.square().sum(1)[:, None])
        return torch.where(found > self.noise, found, 0)


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
