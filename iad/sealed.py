"""Plain values and arrays in one file that cannot be altered unseen: safetensors with a SHA-256 over everything.

The file's header holds one JSON text. Its `sha256` covers the rest of that text and every array, so that an altered
byte is found; it holds no time, so that the same content is the same file. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from iad.errors import IadError
from iad.io import replacing

HEADER = "iad"


def write_sealed(path: Path, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Write values and arrays beside their place, then rename the file; returns the SHA-256 that `read_sealed` checks.

    Args:
        path: the file; one that is there already is replaced when the new one is complete.
        values: what JSON can hold; NaN and infinity are refused.
        arrays: by name, of any type but objects.
    """
    packed = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    digest = content_sha256(values, packed)
    with replacing(path) as part:
        # not save_file, which makes the file unreadable for other users
        part.write_bytes(save(packed, metadata={HEADER: _text({**values, "sha256": digest}, ordered=False)}))
    return digest


def read_sealed(path: Path, *, what: str, remedy: str) -> tuple[dict[str, Any], dict[str, np.ndarray], str]:
    """Read a file of `write_sealed`: values, arrays and the SHA-256, which is checked.

    Args:
        path: the file.
        what: it should be, for refusals, as "bundle".
        remedy: what to do if it is not, for refusals.

    Raises:
        IadError: if the file is missing, something else, cut short or altered.
    """
    if not path.is_file():
        raise IadError(f"{path}: no such file; {remedy}")
    try:
        with safe_open(path, framework="numpy") as file:
            values = _values(path, file.metadata() or {}, what, remedy)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except SafetensorError as error:
        raise _unreadable(path, error, what, remedy) from None
    digest = values.pop("sha256", None)
    if digest != content_sha256(values, arrays):
        raise IadError(f"{path}: altered since it was written (its SHA-256 differs); copy it again, or {remedy}")
    return values, arrays, str(digest)


def content_sha256(values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Hex SHA-256 over the values and over name, type, shape and bytes of every array."""
    digest = hashlib.sha256(_text(values).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _values(path: Path, metadata: Mapping[str, str], what: str, remedy: str) -> dict[str, Any]:
    if HEADER not in metadata:
        raise IadError(f"{path}: a safetensors file, but no {what}; {remedy}")
    try:
        return dict(json.loads(metadata[HEADER]))
    except (ValueError, TypeError):
        raise IadError(f"{path}: its header was altered; copy it again, or {remedy}") from None


def _unreadable(path: Path, error: SafetensorError, what: str, remedy: str) -> IadError:
    with path.open("rb") as file:
        start = file.read(64 + len(HEADER))
    if f'"{HEADER}"'.encode() in start:  # the header begins with its own text
        return IadError(f"{path}: a {what} cut short or altered ({error}); copy it again, or {remedy}")
    return IadError(f"{path}: no {what} ({error}); {remedy}")


def _text(values: Mapping[str, Any], *, ordered: bool = True) -> str:
    return json.dumps(values, sort_keys=ordered, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
