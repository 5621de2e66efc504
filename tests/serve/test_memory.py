"""Memory after pictures: asked back where one was large or torn, not after each one."""

import ctypes
from types import SimpleNamespace

import pytest

from iad.serve.load import memory


def verdict(width, height):
    return SimpleNamespace(look=SimpleNamespace(width=width, height=height))


@pytest.mark.parametrize(
    ("verdicts", "times"),
    [([verdict(300, 300)], 0), ([], 0), ([verdict(9000, 9000)], 1), ([verdict(9, 9), SimpleNamespace(look=None)], 1)],
)
def test_the_allocator_is_asked_after_a_large_picture_or_a_torn_one(monkeypatch, verdicts, times):
    asked = []
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(malloc_trim=asked.append))
    memory.give_back_after(verdicts)
    assert asked == [0] * times


def test_a_system_without_that_call_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    memory.give_back_after([SimpleNamespace(look=None)])
