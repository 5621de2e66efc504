"""Devices that a search runs on: the CPU, a card where there is one, and a pretended card everywhere."""

import pytest
import torch

from iad.neighbors.filters import int8_is_fast
from tests.pretended_card import PretendedCard

NO_CARD = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")


@pytest.fixture(params=["cpu", "pretended card", pytest.param("cuda", marks=NO_CARD)])
def device(request):
    """A name to give as `device`."""
    if request.param != "pretended card":
        yield request.param
        return
    int8_is_fast.cache_clear()
    with PretendedCard():
        yield "cuda"
    int8_is_fast.cache_clear()
