"""What a graph says of itself, and the seal over its file; light, since it goes along with every graph.

The card is one JSON text among the graph's metadata, under `CARD`. The seal, under `SEAL`, is the SHA-256 of the file
(of OpenVINO's two, one after the other) with zeros in place of its own digits. It proves that a graph is as it was
written, not who wrote it.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from iad.errors import IadError

CARD, SEAL = "iad", "iad_seal"
BLANK = "iad-sha256:" + "0" * 64
SEALED = re.compile(rb"iad-sha256:([0-9a-f]{64})")
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}
REMEDY = "export it again with `iad export`"


def seal(first: bytes, *more: bytes) -> bytes:
    """The first file of a graph, which holds `BLANK` once, with its seal.

    >>> sealed = seal(BLANK.encode() + b" and a graph")
    >>> unsealed(Path("bolts.onnx"), sealed)[:8] in sealed.decode()
    True
    """
    start, end = _place(first) or (0, 0)
    return first[:start] + _digest(start, end, first, *more).encode() + first[end:]


def unsealed(path: Path, first: bytes, *more: bytes) -> str:
    """The digits of a graph's seal, if it is as it was written.

    Args:
        path: of the first file, for refusals.
        first: its content.
        more: of the others.

    Raises:
        IadError: if it has no seal, or another content.

    >>> unsealed(Path("bolts.onnx"), seal(BLANK.encode() + b" and a graph").replace(b"and", b"AND"))
    Traceback (most recent call last):
    iad.errors.IadError: bolts.onnx: altered since it was exported (its SHA-256 differs); copy it again, or ...
    """
    place = _place(first)
    if place is None:
        raise IadError(f"{path}: no graph of iad, or one that was cut short or altered; copy it again, or {REMEDY}")
    found = first[slice(*place)].decode()
    if found != _digest(*place, first, *more):
        raise IadError(f"{path}: altered since it was exported (its SHA-256 differs); copy it again, or {REMEDY}")
    return found


def _place(content: bytes) -> tuple[int, int] | None:
    """Where the digits stand, if they do once."""
    found = list(SEALED.finditer(content))
    return found[0].span(1) if len(found) == 1 else None


def _digest(start: int, end: int, first: bytes, *more: bytes) -> str:
    digest, view = hashlib.sha256(), memoryview(first)
    parts: list[bytes | memoryview] = [view[:start], b"0" * (end - start), view[end:], *more]
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
