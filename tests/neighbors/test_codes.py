"""Vectors as integers: what the columns hold, what the norms say, and products against plain integer arithmetic."""

import numpy as np
import pytest
import torch

from iad.neighbors.codes import CHUNK, FACTOR, GROUP, LARGEST, BankCodes
from tests.helpers import hidden_from_all, int8_products_are_exact


def normal(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))


def of_groups(codes, values):
    """The largest value of each group of rows, `(groups,)`."""
    padded = np.zeros(len(codes.integers))
    padded[: len(values)] = values
    return padded.reshape(-1, GROUP).max(1)


@pytest.mark.parametrize("shape", [(40, 5), (300, 64), (5000, 70)])
def test_shift_and_turn_change_no_distance(shape):
    bank = normal(0, *shape) + 100
    codes = BankCodes(bank)
    placed, given = codes.place(bank[:40]), bank[:40].double()
    for other in range(1, 40):
        np.testing.assert_allclose((placed[0] - placed[other]).norm(), (given[0] - given[other]).norm(), rtol=1e-12)


def test_one_huge_coordinate_is_spread_over_a_block():
    bank = torch.zeros(64, 64)
    bank[0, 17] = 64
    placed = BankCodes(bank).place(bank)
    assert float((placed[0] - placed[1]).abs().max()) == pytest.approx(64 / 64**0.5)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("shape", [(40, 5), (2500, 70)])
def test_norms_of_a_group_are_those_of_its_largest_row(shape, scale):
    bank = normal(1, *shape) * scale
    codes = BankCodes(bank)
    placed = codes.place(bank).numpy()
    steps = np.repeat(codes.step.double().numpy(), GROUP)[: len(bank), None]
    residual = placed - steps * codes.integers[: len(bank), : codes.padded].double().numpy()
    norm, halved = np.linalg.norm(placed, axis=1), np.square(placed).sum(1) / 2
    np.testing.assert_allclose(codes.norm.numpy(), of_groups(codes, norm), rtol=1e-6)
    np.testing.assert_allclose(codes.residual.numpy(), of_groups(codes, np.linalg.norm(residual, axis=1)), rtol=1e-5)
    columns = codes.integers[: len(bank), codes.padded :].double().numpy().sum(1)
    held = (
        -columns * FACTOR * codes.typical_step * steps[:, 0]
        + np.repeat(codes.shift.double().numpy(), GROUP)[: len(bank)]
    )
    np.testing.assert_allclose(
        codes.rounding.numpy(), of_groups(codes, np.abs(halved - held)), rtol=1e-3, atol=1e-6 * halved.max()
    )


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1.0, 1e3, 1e9])
def test_norms_of_queries_are_those_of_what_was_rounded(scale):
    codes = BankCodes(normal(2, 600, 100))
    queries = normal(3, 7, 100) * scale
    coded, placed = codes.encode(queries), codes.place(queries)
    rounded = coded.integers[: codes.padded].T.double() * coded.step.double()[:, None]
    np.testing.assert_allclose(coded.norm, placed.norm(dim=1), rtol=1e-12)
    np.testing.assert_allclose(coded.rounded, rounded.norm(dim=1), rtol=1e-5)
    np.testing.assert_allclose(
        coded.residual, (placed - rounded).norm(dim=1), rtol=1e-4, atol=1e-5 * float(placed.max())
    )
    factor = coded.integers[codes.padded :].double()
    assert ((factor >= 1) & (factor <= LARGEST)).all()
    # a column of the norm, in a query's step and a row's, is worth FACTOR steps of both
    np.testing.assert_allclose(
        factor * coded.step.double(), FACTOR * codes.typical_step * torch.ones(codes.norm_columns, 7), rtol=1e-6
    )


@pytest.mark.skipif(not int8_products_are_exact(), reason="products of 8-bit integers saturate here")
@pytest.mark.parametrize("hidden", [(0, 0), (3, 20), (CHUNK - 5, CHUNK + 40), (0, 2999)])
@pytest.mark.parametrize("many", [0, 1024])  # short chunks, and one of all rows
def test_products_are_the_largest_of_each_group(hidden, many, monkeypatch):
    monkeypatch.setattr("iad.neighbors.codes.MANY", many)
    codes = BankCodes(normal(4, 3000, 30))
    queries = codes.encode(normal(5, 9, 30)).integers
    wanted = codes.integers.numpy().astype(np.int64) @ queries.numpy().astype(np.int64)
    wanted[slice(*hidden)] = wanted[3000:] = torch.iinfo(torch.int32).min
    np.testing.assert_array_equal(
        codes.products(queries, hidden_from_all(*hidden, 9)), wanted.reshape(-1, GROUP, 9).max(1)
    )


@pytest.mark.skipif(not int8_products_are_exact(), reason="products of 8-bit integers saturate here")
def test_the_largest_integers_do_not_overflow():
    codes = BankCodes(normal(6, 256, 1280))
    codes.integers.fill_(LARGEST)
    queries = torch.full((codes.integers.shape[1], 3), LARGEST, dtype=torch.int8)
    assert (
        codes.products(queries, hidden_from_all(0, 0, queries.shape[1])) == codes.integers.shape[1] * LARGEST**2
    ).all()
