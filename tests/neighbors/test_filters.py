"""What a filter promises: the best row of every group has its true value within the stated error of the estimate."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from iad.neighbors import filters
from iad.neighbors.codes import GROUP, SUPER
from iad.neighbors.filters import Float32Filter, Int8Filter
from tests.helpers import hidden_from_all, int8_products_are_exact

FILTERS = [
    pytest.param(
        Int8Filter,
        marks=pytest.mark.skipif(not int8_products_are_exact(), reason="products of 8-bit integers saturate here"),
    ),
    Float32Filter,
]


def true_values(one, bank, queries, hidden):
    """t(x, y) = <x, y> - |y|^2 / 2 of the best visible row of each group, float64 `(groups, M)`; -inf without one."""
    mean = one.codes.mean.cpu().numpy() if isinstance(one, Int8Filter) else 0.0
    rows, columns = bank.astype(np.float64) - mean, queries.astype(np.float64) - mean
    values = rows @ columns.T - np.square(rows).sum(1)[:, None] / 2
    values[slice(*hidden)] = -np.inf
    values = np.pad(values, ((0, -len(bank) % (GROUP * SUPER)), (0, 0)), constant_values=-np.inf)
    return values.reshape(-1, GROUP, len(queries)).max(1)


def limits(ranked):
    """Lowest and highest value that a group may have according to the filter, float64."""
    estimate = ranked.values.double() * ranked.row_scale.double()[:, None] * ranked.query_scale.double()
    estimate -= ranked.row_shift.double()[:, None]
    error = ranked.row_error.double() @ ranked.query_error.double()
    return (estimate - error).cpu().numpy(), (estimate + error).cpu().numpy()


def assert_kept(one, bank, queries, hidden=(0, 0), device="cpu"):
    bank, queries = (np.ascontiguousarray(values, dtype=np.float32) for values in (bank, queries))
    filtered = one(torch.from_numpy(bank).to(device))
    ranked = filtered.rank(torch.from_numpy(queries).to(device), hidden_from_all(*hidden, len(queries), device))
    truth = true_values(filtered, bank, queries, hidden)
    low, high = limits(ranked)
    there = np.isfinite(truth)
    tiny = 1e-30 + 1e-13 * np.abs(truth[there])  # float64's own error, and products below the range of float32
    assert (low[there] - tiny <= truth[there]).all()
    assert (truth[there] <= high[there] + tiny).all()
    assert (ranked.values.cpu().numpy()[~there] == filters._least(ranked.values.dtype)).all()
    shift = filtered.codes.mean.cpu().numpy() if one is Int8Filter else 0.0
    np.testing.assert_allclose(
        ranked.norm.cpu().numpy(), np.square(queries.astype(np.float64) - shift).sum(1), rtol=1e-9, atol=1e-30
    )


numbers = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
shapes = st.tuples(st.integers(1, 70), st.integers(1, 5), st.integers(1, 20))


@pytest.mark.parametrize("one", FILTERS)
@settings(deadline=None, max_examples=150)
@given(data=st.data(), shape=shapes)
def test_values_lie_within_the_error_for_any_numbers(one, data, shape):
    n, m, d = shape
    bank = data.draw(arrays.arrays(np.float32, (n, d), elements=numbers))
    queries = data.draw(arrays.arrays(np.float32, (m, d), elements=numbers))
    first = data.draw(st.integers(0, n))
    assert_kept(one, bank, queries, (first, data.draw(st.integers(first, n))))


@pytest.mark.parametrize("one", FILTERS)
@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 2600), st.integers(1, 140)),
    power=st.sampled_from([1, 3, 9]),  # of normal numbers: the higher, the heavier the tails
    scales=st.tuples(*3 * [st.sampled_from([0.0, 1e-12, 1e-3, 1.0, 1e3, 1e12])]),
)
def test_values_lie_within_the_error_for_drawn_banks(one, seed, shape, power, scales):
    rng, (bank_scale, query_scale, offset) = np.random.default_rng(seed), scales
    bank = rng.standard_normal(shape) ** power * bank_scale + offset
    queries = rng.standard_normal((6, shape[1])) ** power * query_scale + offset
    queries[0] = bank[0]
    assert_kept(one, np.clip(bank, -1e15, 1e15), np.clip(queries, -1e15, 1e15))


@pytest.mark.parametrize("one", FILTERS)
@pytest.mark.parametrize("queries", [1, 8, 13])
def test_values_lie_within_the_error_on_every_device(one, queries, device):
    rng = np.random.default_rng(2)
    bank = rng.standard_normal((3000, 100)) ** 3 + 5
    assert_kept(one, bank, np.concatenate([bank[:1], rng.standard_normal((queries, 100))])[:queries], (5, 70), device)


@pytest.mark.parametrize("one", FILTERS)
def test_the_error_is_small_beside_the_spread_of_values(one):
    rng = np.random.default_rng(0)
    bank, queries = (torch.from_numpy(rng.standard_normal((n, 384), dtype=np.float32)) for n in (4096, 32))
    low, high = limits(one(bank).rank(queries, hidden_from_all(0, 0, len(queries))))
    assert (high - low).mean() < (0.6 if one is Int8Filter else 1e-2) * np.std((low + high) / 2) * GROUP**0.5


@pytest.mark.parametrize("one", FILTERS)
def test_the_best_groups_are_one_of_each_super_and_are_not_offered_again(one):
    rng = np.random.default_rng(1)
    bank = torch.from_numpy(rng.standard_normal((1024, 16), dtype=np.float32))
    ranked = one(bank).rank(bank[[5, 900]], hidden_from_all(0, 0, len(bank[[5, 900]])))
    query, group = ranked.best_groups(2)
    assert query.tolist() == [0, 0, 1, 1]
    assert group[0] == 5 // GROUP
    assert group[2] == 900 // GROUP
    assert (group.view(2, 2) // SUPER).diff().abs().min() > 0
    everything = torch.full((2,), torch.inf)
    more_query, more_group, done = ranked.groups_within(everything, 10**6)
    assert done.all()
    offered = set(zip(query.tolist(), group.tolist(), strict=True))
    assert len(offered | set(zip(more_query.tolist(), more_group.tolist(), strict=True))) == 2 * 1024 // GROUP
    assert len(more_query) == 2 * 1024 // GROUP - 4


@pytest.mark.parametrize("one", FILTERS)
def test_a_query_with_more_groups_than_patience_is_left_out_whole(one):
    bank = torch.randn(512, 8, generator=torch.Generator().manual_seed(0))
    ranked = one(bank).rank(bank[:3], hidden_from_all(0, 0, len(bank[:3])))
    query, _, done = ranked.groups_within(torch.tensor([torch.inf, 0.0, 0.0]), 20)
    assert done.tolist() == [False, True, True]
    assert 0 not in query.tolist()


def test_int8_is_fast_only_where_its_sums_are_exact():
    assert not filters.int8_is_fast() or int8_products_are_exact()
