"""Reading ahead keeps the order, holds a bounded number of bytes, and ends with the first error."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from iad.data import ahead
from iad.data.ahead import read_ahead


def test_results_come_in_the_order_of_the_items_however_long_each_takes():
    with ThreadPoolExecutor(8) as pool:
        found = list(
            read_ahead(lambda item: (time.sleep((item * 7) % 5 / 1000), item)[1], range(100), lambda _: 1, pool)
        )
    assert found == list(range(100))


@pytest.mark.parametrize(("size", "most"), [(1, 5), (30, 3), (100, 1), (1000, 1), (None, 1)])
def test_what_waits_to_be_taken_is_bounded_in_number_and_in_bytes(monkeypatch, size, most):
    monkeypatch.setattr(ahead, "MOST_ITEMS", 5)
    monkeypatch.setattr(ahead, "MOST_BYTES", 100)
    begun = []
    with ThreadPoolExecutor(8) as pool:
        results = read_ahead(begun.append, range(20), lambda _: size, pool)
        for taken in range(1, 11):
            next(results)
            assert len(begun) <= taken + most
        pool.shutdown()
    assert len(begun) >= 10


def test_several_are_under_way_at_once():
    together = threading.Barrier(8)  # each waits for the seven others
    with ThreadPoolExecutor(8) as pool:
        assert len(list(read_ahead(lambda _: together.wait(30), range(16), lambda _: 1, pool))) == 16


def test_after_an_error_nothing_more_is_begun():
    begun = []

    def work(item):
        begun.append(item)
        if item == 3:
            raise ValueError("three")

    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="three"):
        list(read_ahead(work, range(1000), lambda _: 1, pool))
    assert len(begun) <= 4 + ahead.MOST_ITEMS
