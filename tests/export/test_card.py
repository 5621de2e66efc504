"""The seal: whatever is altered in a graph is found."""

from pathlib import Path

import pytest

from iad.errors import IadError
from iad.export.card import BLANK, seal, unsealed

FILE = Path("bolts.onnx")
GRAPH = b"before " + BLANK.encode() + b" after"


def test_what_is_sealed_is_found_as_it_was():
    sealed = seal(GRAPH, b"weights")
    assert len(sealed) == len(GRAPH)
    assert unsealed(FILE, sealed, b"weights").encode() in sealed


@pytest.mark.parametrize("place", range(len(GRAPH)))
def test_every_byte_counts(place):
    sealed = bytearray(seal(GRAPH, b"weights"))
    sealed[place] ^= 1
    with pytest.raises(IadError, match="altered"):
        unsealed(FILE, bytes(sealed), b"weights")


@pytest.mark.parametrize("more", [b"", b"weight", b"Weights", b"weights!"])
def test_the_second_file_counts_too(more):
    with pytest.raises(IadError, match="altered since it was exported"):
        unsealed(FILE, seal(GRAPH, b"weights"), more)


@pytest.mark.parametrize("content", [b"", b"any graph", seal(GRAPH) + seal(GRAPH)])
def test_what_was_never_sealed_is_no_graph(content):
    with pytest.raises(IadError, match="no graph of iad"):
        unsealed(FILE, content)
