"""Cheap products of queries with a whole bank, with a limit on their error.

For a query x and a row y of the bank, the nearest row has the largest t(x, y) = <x, y> - |y|^2 / 2, since
|x - y|^2 = |x|^2 - 2 t(x, y).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Protocol, TypeAlias

import torch

from iad.neighbors.codes import CARD, CHUNK, GROUP, LARGEST, SUPER, BankCodes
from iad.neighbors.hidden import Hidden
from iad.neighbors.measure import Measure
from iad.neighbors.vectors import ROUNDING, TINY, fast_product

SLACK = 4e-6  # relative error of the few float32 operations that turn a product into a limit
PATIENCE = 48  # a filter that leaves more than this part of all groups is no help

Found: TypeAlias = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Query and row of each candidate, and which queries are settled by them."""

Candidates: TypeAlias = Callable[[torch.Tensor, int, Hidden, Measure], Found]
"""What `Filter.candidates` is."""


@dataclass(frozen=True)
class Ranked:
    """What a filter knows of t(x, y) for the best row y of each group: it lies within `error` of an estimate.

    The estimate is `values * row_scale * query_scale - row_shift`, the error `row_error @ query_error`.

    Attributes:
        values: `(groups, M)`, in the filter's own unit; the number of groups is a multiple of `SUPER`.
        row_scale: float32 `(groups,)`, as `row_shift` the same for all groups of a `SUPER`.
        row_shift: float32 `(groups,)`.
        query_scale: float32 `(M,)`.
        row_error: `(groups, R)`, in the type of the queries.
        query_error: `(R, M)`, in that type too.
        norm: float64 `(M,)`, |x|^2.
    """

    values: torch.Tensor
    row_scale: torch.Tensor
    row_shift: torch.Tensor
    query_scale: torch.Tensor
    row_error: torch.Tensor
    query_error: torch.Tensor
    norm: torch.Tensor

    def best_groups(self, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The best group of each of the k best supers, query and group, int64 `(M * k,)`; offered once only."""
        _, count = self.values.shape
        estimate = self._super_estimate()
        supers = estimate.topk(min(k, len(estimate)), dim=0).indices.T  # (M, k)
        query = torch.arange(count, device=supers.device)[:, None].expand_as(supers)
        inside = self.values.view(-1, SUPER, count)[supers, :, query].argmax(-1)
        group = supers * SUPER + inside
        self.values[group, query] = _least(self.values.dtype)
        return query.flatten(), group.flatten()

    def groups_within(self, limit: torch.Tensor, patience: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Groups that may hold a row nearer than the root of `limit`, float32 `(M,)`.

        Returns:
            Query and group of each, int64 `(P,)`, and which queries have no more than `patience` of them, bool `(M,)`;
            the others are left out.
        """
        count = len(limit)
        least = ((self.norm - limit.double()) / 2).float()  # t(x, y) of a row at the limit
        reach = self._super_estimate()
        reach += self.row_error.view(-1, SUPER, self.row_error.shape[1]).amax(1) @ self.query_error
        hit = reach >= least
        done = hit.sum(0) <= patience
        supers, query = torch.nonzero(hit & done, as_tuple=True)
        ranked = self.values.view(-1, SUPER, count)[supers, :, query]  # (H, SUPER)
        first = supers * SUPER
        values = (
            ranked.float() * (self.row_scale[first] * self.query_scale[query])[:, None] - self.row_shift[first, None]
        )
        values += (
            self.row_error.view(-1, SUPER, self.row_error.shape[1])[supers] @ self.query_error.T[query, :, None]
        )[..., 0]
        there = ranked > _least(ranked.dtype)  # neither hidden nor offered before
        place, inside = torch.nonzero((values >= least[query, None]) & there, as_tuple=True)
        query, group = query[place], first[place] + inside
        few = torch.bincount(query, minlength=count) <= patience
        keep = few[query]
        return query[keep], group[keep], done & few

    def _super_estimate(self) -> torch.Tensor:
        best = self.values.view(-1, SUPER, self.values.shape[1]).amax(1).float()
        best *= self.row_scale[::SUPER, None]
        best *= self.query_scale
        return best.sub_(self.row_shift[::SUPER, None])


class Filter(Protocol):
    """Names the rows of a bank that may be nearest."""

    def candidates(self, queries: torch.Tensor, k: int, hidden: Hidden, measure: Measure) -> Found:
        """Every row that may be one of the k nearest of queries `(M, D)`.

        These come as float32, or as float64 where products of float32 are lowered (see `full_precision`). Hidden rows
        are no neighbours.

        Returns:
            Query and row of each candidate, int64 `(P,)`, and which queries have not too many of them, bool `(M,)`; the
            others are left out.
        """
        ...


class RankingFilter:
    """A filter that multiplies queries with all rows, and ranks these in groups.

    The rows of the most promising groups are measured. The k-th nearest of them limits the distance of the true k-th
    neighbour, so a group whose best row cannot reach that limit, the filter's error included, holds no neighbour. The
    rows of the groups that remain are measured too.
    """

    def rank(self, queries: torch.Tensor, hidden: Hidden) -> Ranked:
        """Rank for queries `(M, D)`; hidden rows take no part."""
        raise NotImplementedError

    def candidates(self, queries: torch.Tensor, k: int, hidden: Hidden, measure: Measure) -> Found:
        """As `Filter` has it."""
        ranked, queries = self.rank(queries, hidden), queries.float()
        owner, group = ranked.best_groups(k)
        measured = measure.groups(queries, owner, group, hidden)  # (M * seeds, GROUP)
        nearest = measured.view(len(queries), -1)
        if nearest.shape[1] < k:
            none = torch.empty(0, dtype=torch.int64, device=owner.device)
            return none, none, torch.zeros(len(queries), dtype=torch.bool, device=owner.device)
        limit = measure.limit(nearest, k)
        more_owner, more_group, done = ranked.groups_within(limit, len(measure.bank) // GROUP // PATIENCE + 4 * k)
        more = measure.groups(queries, more_owner, more_group, hidden)
        keep = done[owner]
        owner, group = torch.cat([owner[keep], more_owner]), torch.cat([group[keep], more_group])
        squared = torch.cat([measured[keep], more])
        pair, place = torch.nonzero(squared <= limit[owner, None], as_tuple=True)
        query, row = owner[pair], group[pair] * GROUP + place
        near = measure.closest(query, squared[pair, place], len(queries), k)
        return query[near], row[near], done


class Int8Filter(RankingFilter):
    """Products of 8-bit integers."""

    def __init__(self, bank: torch.Tensor) -> None:
        self.codes = BankCodes(bank)

    def rank(self, queries: torch.Tensor, hidden: Hidden) -> Ranked:
        """Rank for queries `(M, D)`; hidden rows take no part."""
        codes, coded = self.codes, self.codes.encode(queries)
        ones = torch.ones_like(coded.residual)
        norm = coded.norm.float()
        sizes = codes.shift.abs() + codes.norm.square()
        return Ranked(
            values=codes.products(coded.integers, hidden),
            row_scale=codes.step,
            row_shift=codes.shift,
            query_scale=coded.step,
            row_error=torch.stack([codes.norm, codes.residual, codes.rounding + SLACK * sizes], 1).to(queries.dtype),
            query_error=torch.stack([coded.residual + SLACK * norm, coded.rounded, ones]).to(queries.dtype),
            norm=coded.norm.square(),
        )


class Float32Filter(RankingFilter):
    """Products in float32."""

    def __init__(self, bank: torch.Tensor) -> None:
        self.bank = bank
        size = len(bank)
        self.groups = -(-size // (GROUP * SUPER)) * SUPER
        halved = torch.empty(size, dtype=torch.float64, device=bank.device)
        for rows, found in zip(torch.split(bank, CHUNK), torch.split(halved, CHUNK), strict=True):
            torch.sum(rows.double().square_(), 1, out=found)  # kept apart from large passing memory
        halved /= 2
        self.halved = halved.float()
        padded = torch.nn.functional.pad((2 * halved).sqrt().float(), (0, self.groups * GROUP - size))
        self.norm = padded.view(-1, GROUP).amax(1)
        self.largest = float(self.norm.max())

    def rank(self, queries: torch.Tensor, hidden: Hidden) -> Ranked:
        """Rank for queries `(M, D)`; hidden rows take no part."""
        size, dimensions = self.bank.shape
        count = len(queries)
        device = self.bank.device
        chunk = CHUNK if device.type == "cpu" else CHUNK * CARD
        values = torch.full((self.groups, count), -torch.inf, dtype=torch.float32, device=device)
        for start in range(0, size, chunk):
            product = self._values(queries, start, start + chunk, hidden)
            if tail := -len(product) % GROUP:
                product = torch.nn.functional.pad(product, (0, 0, 0, tail), value=-torch.inf)
            groups = slice(start // GROUP, (start + len(product)) // GROUP)
            torch.amax(product.view(-1, GROUP, count), 1, out=values[groups])
        norm = queries.double().norm(dim=1)
        error, ones = ROUNDING * (dimensions + 4), torch.ones_like(norm, dtype=torch.float32)
        return Ranked(
            values=values,
            row_scale=torch.ones_like(self.norm),
            row_shift=torch.zeros_like(self.norm),
            query_scale=ones,
            row_error=torch.stack([error * self.norm, error * self.norm.square()], 1).to(queries.dtype),
            query_error=torch.stack([norm.float(), ones]).to(queries.dtype),
            norm=norm.square(),
        )

    def at_once(self, queries: torch.Tensor, k: int, hidden: Hidden, _: Measure) -> Found:
        """As `candidates`, from all values at once: for few queries or few rows.

        Row r belongs to the group r modulo the number of groups; the last rows, which fill no group, stand alone.
        """
        size, patience = len(self.bank), PATIENCE + 4 * k
        groups = size // GROUP if size >= 8 * GROUP * k else 0
        values = self._values(queries, 0, size, hidden)  # (N, M)
        best = values[: groups * GROUP].view(GROUP, groups, len(queries)).amax(0)
        best = torch.cat([best, values[groups * GROUP :]]).T.contiguous()  # (M, groups and single rows)
        kth = best.amax(1) if k == 1 else best.topk(k, dim=1).values[:, -1]
        norm, largest = queries.double().norm(dim=1), self.largest
        error = ROUNDING * (queries.shape[1] + 4) * largest * (norm + largest)  # of the k-th value, and of any other
        least = (kth.double() - 2 * error - TINY).float()
        hit = best >= least[:, None]
        done = hit.sum(1) <= patience
        query, group = torch.nonzero(hit & done[:, None], as_tuple=True)
        inside = torch.arange(GROUP, device=values.device)
        rows = group[:, None] + groups * inside  # (H, GROUP)
        found = values[rows, query[:, None]]
        single = (group[:, None] >= groups) & (inside < GROUP - 1)
        hit = (found >= least[query, None]) & (found > -torch.inf) & ~single
        place, member = torch.nonzero(hit, as_tuple=True)
        return query[place], rows[place, member], done

    def _values(self, queries: torch.Tensor, start: int, stop: int, hidden: Hidden) -> torch.Tensor:
        """t(x, y) of rows `start` to `stop` in float32 `(n, M)`; -inf if hidden."""
        rows = self.bank[start:stop]
        product = fast_product(rows, queries).sub_(self.halved[start:stop, None])
        for first, last, columns in hidden.blocks():
            product[max(first - start, 0) : max(last - start, 0), columns] = -torch.inf
        return product


@cache
def int8_is_fast(device: str = "cpu") -> bool:
    """Whether this processor or card sums products of 8-bit integers in one instruction, and PyTorch does it right."""
    if device == "cpu" and not torch.cpu._is_vnni_supported():  # without it, sums may saturate at 16 bits
        return False
    left = torch.full((2 * GROUP, 64), LARGEST, dtype=torch.int8, device=device)
    try:
        right = left.T.contiguous() if device == "cpu" else left.T  # as `BankCodes.products` takes them
        return bool((torch._int_mm(left, right) == 64 * LARGEST**2).all())
    except (AttributeError, RuntimeError):
        return False


def _least(dtype: torch.dtype) -> float:
    return -torch.inf if dtype.is_floating_point else torch.iinfo(dtype).min
