"""A filter that compares vectors along the principal axes of clusters of the bank.

The bank is cut into clusters of equal size. Each has a mean c and the m orthonormal axes V along which its rows differ
most. With p_x = V'(x - c), and r_x the length of what V leaves of x - c, Pythagoras and the triangle inequality give

    |x - y|^2 = |p_x - p_y|^2 + |(x - c - V p_x) - (y - c - V p_y)|^2 >= |p_x - p_y|^2 + (r_x - r_y)^2,

the squared distance of the short vectors (p_x, r_x) and (p_y, r_y). Embeddings of patches lie near few axes, the nearer
the smaller the part of the bank, so that the short vectors tell most rows apart; the long ones of the others are
measured. A cluster all of whose rows are farther than the k-th nearest row known so far is left out altogether.

Neither bound needs the axes to be the best ones; they only have to be orthonormal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from iad.neighbors.codes import GROUP
from iad.neighbors.filters import Found
from iad.neighbors.hidden import Hidden
from iad.neighbors.measure import Measure
from iad.neighbors.vectors import CHUNK, ROUNDING, TINY

SMALLEST = 32_768  # rows of a bank that is worth clusters
FEWER = 8  # a short vector has at most this part of the values of a long one, or saves too little
ROWS = 1536  # of a cluster, about
SAMPLE = 8192  # rows that the directions of the cuts are found from
CUTS = 32  # coordinates among which the bank is cut
MOST = 94  # axes of a cluster, at most
STEP = 16  # short vectors have a multiple of so many values: the axes, r and |y|^2 / 2
SHARE = 0.93  # of a cluster's variance that its axes are to explain
ROUNDS = 3  # of the power iteration for the whole bank
LARGE = 2.0**-52  # twice the unit roundoff of float64
NEAREST = 4  # clusters in which each query looks for its first neighbours
SPARE = 3  # rows beyond k that it measures there
VALUES = 2**17  # values of a product that stays in the processor's cache
PATIENCE = 48  # a query that leaves more than this part of all rows is left to another filter


@dataclass(frozen=True)
class Placed:
    """Queries in the coordinates of one cluster.

    Attributes:
        short: float32 `(M, m + 2)`: p, r and 1, so that a product with a row's (p, r, -(|p|^2 + r^2) / 2) ranks rows.
        error: float32 `(M,)`, by which the distance of two short vectors may be off.
    """

    short: torch.Tensor
    error: torch.Tensor


class ClusterFilter:
    """Rows of a bank that may be nearest, by bounds in the coordinates of its clusters.

    It is for processors: a card multiplies everything sooner than it starts the many small products.

    Args:
        bank: float32 `(N, D)`, in memory or memory-mapped; read twice.
        axes: m.
        mean: of the bank, as `bank_axes` gives it.
        start: float64 `(D, m)` or wider, about the bank's principal axes; those of the clusters are found from them.

    Attributes:
        rows: int64 `(clusters, S)`, which rows of the bank each cluster has; N where it has none.
        means: float32 `(clusters, D)`, less the mean of the bank.
        axes: float32 `(clusters, D, m)`.
        short: float32 `(clusters, S, m + 2)`, of the rows; the last value is -infinity where there is no row.
        radius: float64 `(clusters,)`, of the row farthest from the cluster's mean.
    """

    def __init__(self, bank: torch.Tensor, axes: int, mean: torch.Tensor, start: torch.Tensor) -> None:
        self.size, self.dimensions = bank.shape
        self.mean = mean
        self.rows = clustered(bank, mean, start[:, :CUTS])
        clusters, size = self.rows.shape
        self.means = bank.new_empty(clusters, self.dimensions)
        self.axes = bank.new_empty(clusters, self.dimensions, axes)
        self.short = bank.new_empty(clusters, size, axes + 2)
        self.radius = torch.empty(clusters, dtype=torch.float64, device=bank.device)
        for number, rows in enumerate(self.rows):
            there = rows < self.size
            members = bank[rows.clamp(max=self.size - 1)].double() - self.mean
            self.means[number] = members.mean(0)
            members -= self.means[number]
            self.axes[number] = found = improved(start[:, :axes], members)
            along, squared = members @ found, torch.linalg.vecdot(members, members)
            rest = (squared - torch.linalg.vecdot(along, along)).clamp_(min=0).sqrt_()
            self.short[number, :, :-2], self.short[number, :, -2] = along, rest
            self.short[number, :, -1] = torch.where(there, squared / -2, -torch.inf)
            self.radius[number] = squared.max().sqrt()
        self.moved = (self.means.double()[:, None] @ self.axes.double())[:, 0].float()  # (clusters, m)

    def candidates(self, queries: torch.Tensor, k: int, hidden: Hidden, measure: Measure) -> Found:
        """As `iad.neighbors.filters.Filter` has it."""
        search = _Search(self, queries, k, hidden, measure)
        query, row, done = search.within(search.limit())
        keep = measure.closest(query, measure.squared(queries.float(), query, row), len(queries), k)
        return query[keep], row[keep], done

    def place(self, cluster: int, queries: torch.Tensor, squared: torch.Tensor) -> Placed:
        """Bring queries, `(M, D)` less the bank's mean, into the coordinates of a cluster.

        `squared`, float64 `(M,)`, are their squared distances from its mean. A product of D numbers in float32 is wrong
        by D times the unit roundoff u, relative to the lengths (Higham, Accuracy and Stability, section 3.1). So p is
        wrong by e = (D + 8) sqrt(m) u (|x| + |c|), and r^2 by 2 |x - c| e + e^2.
        """
        along = (queries @ self.axes[cluster].to(queries.dtype)).float().sub_(self.moved[cluster])
        found = squared.float()
        rest = (found - torch.linalg.vecdot(along, along)).clamp_(min=0).sqrt_()
        length = found.sqrt()
        size = torch.linalg.vecdot(queries, queries).sqrt_().float() + self.means[cluster].norm()
        error = (self.dimensions + 8) * along.shape[1] ** 0.5 * ROUNDING / 2 * size
        wrong = error * (2 * length + error) + 8 * ROUNDING * found + TINY
        error = error + wrong / torch.maximum(rest, wrong.sqrt())
        error += (4 * ROUNDING + (4 * self.dimensions * LARGE) ** 0.5) * (length + float(self.radius[cluster]))
        return Placed(torch.cat([along, rest[:, None], torch.ones_like(rest)[:, None]], 1), error)


class _Search:
    """What is known while queries are compared with the clusters, one cluster after the other."""

    def __init__(
        self, clusters: ClusterFilter, queries: torch.Tensor, k: int, hidden: Hidden, measure: Measure
    ) -> None:
        self.clusters, self.queries, self.k, self.hidden, self.measure = clusters, queries, k, hidden, measure
        placed = queries.double() - clusters.mean
        means = clusters.means.double()
        squared = torch.linalg.vecdot(placed, placed)[:, None] + torch.linalg.vecdot(means, means)
        self.squared = torch.addmm(squared, placed, means.T, alpha=-2).clamp_(min=0)  # (M, clusters), from the means
        self.placed = placed.to(queries.dtype)
        self.space = torch.empty(max(VALUES, GROUP * len(queries)), dtype=queries.dtype, device=queries.device)

    def limit(self) -> torch.Tensor:
        """What no squared distance of a k nearest row is above, float32 `(M,)`: infinity where too few are known."""
        members = self.clusters.rows.shape[1]
        near = self.squared.topk(min(NEAREST, self.squared.shape[1]), dim=1, largest=False).indices
        wanted = min(self.k + SPARE, members)
        rows = torch.empty(*near.shape, wanted, dtype=torch.int64, device=near.device)
        for cluster, place in _parts(near.flatten(), len(self.clusters.rows)):
            query = place // near.shape[1]
            values = self._short(cluster, query).short @ self.clusters.short[cluster].T  # in any precision
            values.masked_fill_(self.hidden.has(self.clusters.rows[cluster].expand(len(query), -1), query), -torch.inf)
            rows.view(-1, wanted)[place] = self.clusters.rows[cluster][values.topk(wanted, dim=1).indices]
        row = rows.view(len(near), -1)
        everyone = torch.arange(len(row), device=row.device)
        there = (row < self.clusters.size) & ~self.hidden.has(row, everyone)
        found = torch.full(row.shape, torch.inf, dtype=torch.float32, device=row.device)
        found[there] = self.measure.squared(self.queries.float(), torch.nonzero(there)[:, 0], row[there])
        if self.k > found.shape[1]:
            return torch.full_like(found[:, 0], torch.inf)
        return self.measure.limit(found, self.k)

    def within(self, limit: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rows whose bound does not exceed `limit`: query and row of each, and which queries have not too many."""
        clusters, count = self.clusters, len(limit)
        far = limit.double().sqrt()
        size = torch.linalg.vecdot(self.placed, self.placed).sqrt_().double() + clusters.means.norm(dim=1).max()
        reach = (far + (clusters.dimensions * LARGE) ** 0.5 * size)[:, None] + clusters.radius * (1 + ROUNDING)
        cluster_of, query_of = torch.nonzero((self.squared <= reach.square()).T, as_tuple=True)
        patience = clusters.size // PATIENCE + 4 * self.k
        found = torch.zeros(count, dtype=torch.int64, device=limit.device)
        done = limit.isfinite()
        none = torch.empty(0, dtype=torch.int64, device=limit.device)
        pairs = [(none, none)]
        for cluster, place in _parts(cluster_of, len(clusters.rows)):
            query = query_of[place]
            query = query[done[query]]
            if not len(query):
                continue
            place, row = self._reached(cluster, query, far[query])
            pairs.append((query[place], row))
            found += torch.bincount(query[place], minlength=count)
            done &= found <= patience
        query, row = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        keep = done[query]
        return query[keep], row[keep], done

    def _reached(self, cluster: int, query: torch.Tensor, far: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pairs of a place in `query` and a row of the cluster that may be no farther than `far`, float64 `(n,)`."""
        placed, short = self._short(cluster, query), self.clusters.short[cluster]
        norm = torch.linalg.vecdot(placed.short[:, :-1], placed.short[:, :-1])
        longest = float(self.clusters.radius[cluster])
        rounding = ROUNDING * (short.shape[1] + 8) * (norm + longest * (norm.sqrt() + longest))
        least = (norm - (far.float() + placed.error).square()) / 2 - rounding - TINY
        places, rows = [], []
        columns = placed.short.T.to(self.space.dtype)
        step = max(1, VALUES // len(query) // GROUP) * GROUP
        for start in range(0, len(short), step):
            part = short[start : start + step]
            space = self.space[: len(part) * len(query)].view(len(part), len(query))
            values = torch.mm(part.to(self.space.dtype), columns, out=space).view(-1, GROUP, len(query))
            group, place = torch.nonzero(values.amax(1) >= least, as_tuple=True)
            pair, inside = torch.nonzero(values[group, :, place] >= least[place, None], as_tuple=True)
            places.append(place[pair])
            rows.append(group[pair] * GROUP + inside + start)
        place, row = torch.cat(places), self.clusters.rows[cluster][torch.cat(rows)]
        seen = ~self.hidden.has(row, query[place])
        return place[seen], row[seen]

    def _short(self, cluster: int, query: torch.Tensor) -> Placed:
        return self.clusters.place(cluster, self.placed[query], self.squared[query, cluster])


def clusters_that_help(bank: torch.Tensor) -> ClusterFilter | None:
    """Clusters with as many axes as they need; None if the bank is too small, or its rows lie near no few axes."""
    most = min(MOST, bank.shape[1] // FEWER // STEP * STEP - 2)
    if len(bank) < SMALLEST or most < 1:
        return None
    mean, start = bank_axes(bank, max(most, CUTS))
    axes = _axes_needed(bank, mean, start, most)
    return ClusterFilter(bank, axes, mean, start) if axes else None


def _axes_needed(bank: torch.Tensor, mean: torch.Tensor, start: torch.Tensor, most: int) -> int | None:
    sample = bank[:: max(1, len(bank) // SAMPLE)]
    clusters = clustered(sample, mean, start[:, :CUTS])
    explained = torch.zeros(most, dtype=torch.float64, device=bank.device)
    for rows in clusters:
        members = sample[rows.clamp(max=len(sample) - 1)].double() - mean
        members -= members.mean(0)
        along = (members @ improved(start[:, :most], members)).square_().sum(0)
        explained += along / members.square().sum().clamp_(min=TINY) / len(clusters)
    enough = torch.nonzero(explained.cumsum(0) >= SHARE)[:, 0]
    return -(-(int(enough[0]) + 3) // STEP) * STEP - 2 if len(enough) else None


def bank_axes(bank: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean of a bank, float64 `(D,)`, and about its `count` principal axes, float64 `(D, count)`, from a sample.

    By power iteration on the whole subspace (Golub and Van Loan, Matrix Computations, section 8.2.4), from a fixed
    start, so that equal banks give equal axes.
    """
    sample = bank[:: max(1, len(bank) // SAMPLE)].double()
    mean = sample.mean(0)
    sample -= mean
    generator = torch.Generator("cpu").manual_seed(0)
    axes = torch.randn(bank.shape[1], min(count, bank.shape[1]), generator=generator, dtype=torch.float64, device="cpu")
    for _ in range(ROUNDS):
        axes = improved(axes, sample)
    return mean, axes


def improved(axes: torch.Tensor, centred: torch.Tensor) -> torch.Tensor:
    """Axes, float64 `(D, m)`, turned towards the principal ones of rows `(n, D)`; orthonormal to rounding."""
    coarse = centred.float()
    turned = (coarse.T @ (coarse @ axes.float())).double()
    found: torch.Tensor = torch.linalg.qr(turned + TINY * axes).Q  # whatever axes there are where rows lie on fewer
    return found


def clustered(bank: torch.Tensor, mean: torch.Tensor, axes: torch.Tensor) -> torch.Tensor:
    """Cut a bank in clusters of equal size, each time in two halves, along the direction in which the rows differ most.

    Directions are looked for among `axes`, float64 `(D, c)`.

    Returns:
        The rows of each cluster, int64 `(clusters, S)`; N, the number of rows, where a cluster has none.
    """
    size = len(bank)
    placed = torch.cat([(part.double() - mean) @ axes for part in torch.split(bank, CHUNK)])
    halvings = max(0, round(math.log2(size / ROWS)))
    members = -(-size // (GROUP * 2**halvings)) * GROUP
    rows = torch.arange(members * 2**halvings, device=bank.device)[None]
    for _ in range(halvings):
        inside = placed[rows.clamp(max=size - 1)]  # (parts, n, CUTS)
        inside -= inside.mean(1, keepdim=True)
        direction = torch.linalg.eigh(inside.mT @ inside).eigenvectors[:, :, -1:]
        order = (inside @ direction)[..., 0].argsort(1)
        rows = rows.gather(1, order).view(2 * len(rows), -1)
    return rows.clamp_(max=size)


def _parts(numbers: torch.Tensor, count: int) -> Iterator[tuple[int, torch.Tensor]]:
    """For each number below `count` that is among `numbers`, int64 `(n,)`: the places where it is."""
    places = numbers.argsort(stable=True)
    lengths = torch.bincount(numbers, minlength=count).tolist()
    for number, part in enumerate(torch.split(places, lengths)):
        if len(part):
            yield number, part
