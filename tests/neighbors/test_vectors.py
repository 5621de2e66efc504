"""Products in full precision: how lowered ones are noticed, and that nothing is set."""

import threading

import numpy as np
import pytest
import torch

from iad.neighbors import vectors
from iad.neighbors.vectors import CHUNK, fast_product, full_precision, one_product_is_lowered, products_are_lowered
from tests.process_state import LoweredProducts, process_state, unusual_settings


def drawn(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))


def test_lowered_products_are_noticed_and_taken_in_float64(device):
    with full_precision(device) as dtype:
        assert dtype == torch.float32
    with LoweredProducts(), full_precision("cpu") as dtype:
        assert dtype == torch.float64


@pytest.mark.parametrize("bits", [8, 11, 16, 23])
def test_one_bit_less_than_float32_has_is_enough(bits, monkeypatch):
    def lowered(rows, queries):
        step = 2.0 ** (1 - bits)  # of numbers from 1 to 2
        return ((rows.double() / step).round() * step @ queries.T.double()).float()

    one_product_is_lowered.cache_clear()
    assert not products_are_lowered("cpu")
    one_product_is_lowered.cache_clear()
    monkeypatch.setattr(vectors, "fast_product", lowered)
    assert products_are_lowered("cpu")
    one_product_is_lowered.cache_clear()


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_a_setting_counts_although_small_products_are_not_lowered_by_it(precision):
    torch.set_float32_matmul_precision(precision)
    try:
        assert products_are_lowered("cpu")
        with full_precision("cpu") as dtype:
            assert dtype == torch.float64
    finally:
        torch.set_float32_matmul_precision("highest")
    assert not products_are_lowered("cpu")


def test_autocast_is_left_for_the_block_and_comes_back():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with full_precision("cpu"):
            assert (drawn(0, 3, 3) @ drawn(1, 3, 3)).dtype == torch.float32
        assert (drawn(0, 3, 3) @ drawn(1, 3, 3)).dtype == torch.bfloat16


def test_nothing_is_set_even_where_pytorch_refuses_to_say_what_is():
    with unusual_settings():
        before = process_state()
        assert before["products"][0] == "mixed"
        with full_precision("cpu"):
            assert process_state() == before
        assert process_state() == before


def test_many_threads_leave_the_settings_as_they_were():
    torch.set_float32_matmul_precision("high")
    before, inside = process_state(), threading.Barrier(3)

    def enter():
        with full_precision("cpu"):
            inside.wait(20)

    threads = [threading.Thread(target=enter) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert process_state() == before
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("rows", [1, 40, CHUNK + 3])
def test_products_by_way_of_float64_are_those_of_float64(rows):
    bank, queries = drawn(0, rows, 20), drawn(1, 7, 20)
    with LoweredProducts():
        found = fast_product(bank, queries.double())
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found, (bank.double() @ queries.double().T).float())
