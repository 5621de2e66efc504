"""The search inside the graph. The oracle is brute force in float64."""

import numpy as np
import pytest
import torch

from iad.export import nearest
from iad.export.nearest import Nearest


def brute(bank, queries, k):
    apart = np.linalg.norm(queries[:, None].astype(np.float64) - bank[None].astype(np.float64), axis=2)
    return np.sort(apart, axis=1)[:, :k]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("k", [1, 3])
def test_several_blocks_give_what_brute_force_gives(monkeypatch, dtype, k):
    monkeypatch.setattr(nearest, "SMALLEST", 7)
    monkeypatch.setattr(nearest, "PRODUCTS", 7)
    rng = np.random.default_rng(0)
    bank, queries = rng.normal(size=(50, 6)).astype(dtype), rng.normal(size=(9, 6)).astype(np.float32)
    search = Nearest(bank, k, 9)
    assert len(search.starts) == 8
    distances, rows = search(torch.from_numpy(queries))
    np.testing.assert_allclose(np.sort(distances.numpy(), axis=1), brute(bank, queries, k), rtol=1e-6)
    assert rows.shape == (9, k)


def test_a_row_of_the_bank_lies_at_distance_0_far_from_the_origin():
    bank = np.float32([[1000.0, 1000.0], [1000.0, 1000.5]])
    distances, rows = Nearest(bank, 1, 2)(torch.from_numpy(bank))
    assert distances.ravel().tolist() == [0, 0]
    assert rows.ravel().tolist() == [0, 1]
