"""Plain values and arrays in one file that cannot be altered unseen: safetensors with a SHA-256 over everything.

The file's header holds one JSON text. Its `sha256` covers the rest of that text and every array, so that an altered
byte is found; it holds no time, so that the same content is the same file. Nothing is ever unpickled. The hash proves
that a file is as it was written, not who wrote it: a reader still checks whether values and arrays fit together.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from iad.errors import IadError
from iad.io import LONGEST as REPEATED
from iad.io import replacing

HEADER = "iad"
LEFT_BEHIND = 86400.0  # seconds; a file is written in some
LONGEST = 200  # characters of a reason in a refusal
MISFITS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What NumPy, PyTorch, pydantic and Python itself raise of arrays and values that do not fit together."""


def write_sealed(path: Path, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Write values and arrays beside their place, then rename the file; returns the SHA-256 that `read_sealed` checks.

    Args:
        path: the file; one that is there already is replaced when the new one is complete.
        values: what JSON can hold; NaN and infinity are refused.
        arrays: by name, of any type but objects.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "bolts.iad"
    ...     digest = write_sealed(file, {"k": 5}, {"bank": np.zeros(3)})
    ...     values, arrays, found = read_sealed(file, what="bundle", remedy="make one")
    >>> values, arrays["bank"].tolist(), found == digest
    ({'k': 5}, [0.0, 0.0, 0.0], True)
    """
    packed = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    digest = content_sha256(values, packed)
    _clear_leftovers(path)
    with replacing(path) as part:
        # not save_file, which makes the file unreadable for other users
        part.write_bytes(save(packed, metadata={HEADER: _text({**values, "sha256": digest}, ordered=False)}))
        if path.exists():  # what somebody allowed others stays
            part.chmod(stat.S_IMODE(path.stat().st_mode))
    return digest


def read_sealed(path: Path, *, what: str, remedy: str) -> tuple[dict[str, Any], dict[str, np.ndarray], str]:
    """Read a file of `write_sealed`: values, arrays and the SHA-256, which is checked.

    Args:
        path: the file.
        what: it should be, for refusals, as "bundle".
        remedy: what to do if it is not, for refusals.

    Raises:
        IadError: if the file is missing, something else, cut short or altered.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "bolts.iad"
    ...     _ = write_sealed(file, {"k": 5}, {})
    ...     _ = file.write_bytes(file.read_bytes().replace(b"5", b"6", 1))
    ...     read_sealed(file, what="bundle", remedy="make one")
    Traceback (most recent call last):
    iad.errors.IadError: ...bolts.iad: ...altered...
    """
    if not path.is_file():
        raise IadError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}; {remedy}")
    try:
        with safe_open(path, framework="numpy") as file:
            values = _values(path, file.metadata() or {}, what, remedy)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except SafetensorError:  # whose own words are for programmers
        raise _unreadable(path, what, remedy) from None
    except OSError as error:
        raise IadError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    except (AttributeError, TypeError):  # from safetensors: NumPy has no such type
        raise IadError(f"{path}: holds numbers of a type that no {what} has; {remedy}") from None
    digest = values.pop("sha256", None)
    if digest != _sha256_of_read(values, arrays):
        raise IadError(f"{path}: altered since it was written (its SHA-256 differs); copy it again, or {remedy}")
    return values, arrays, str(digest)


def content_sha256(values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Hex SHA-256 over the values and over name, type, shape and bytes of every array.

    >>> content_sha256({"a": 1, "b": 2}, {}) == content_sha256({"b": 2, "a": 1}, {})
    True
    """
    digest = hashlib.sha256(_text(values).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


@contextmanager
def in_one_line(origin: str) -> Iterator[None]:
    """Refuse in one line that begins with `origin` whatever the block finds not to fit together.

    The hash of a file says nothing of a file that somebody put together: its arrays may have any shape, and its values
    any type.

    >>> with in_one_line("bolts.iad"):
    ...     np.zeros(2) @ np.zeros(3)
    Traceback (most recent call last):
    iad.errors.IadError: bolts.iad: its parts do not fit together (ValueError: matmul: Input operand 1 has a mismatch \
in its core dimension 0, with gufunc signature (n?,k),(k,m?)->(n?,m?) (size 3 is different from 2)); make it again
    """
    try:
        yield
    except IadError as refusal:
        text = str(refusal)
        raise IadError(text if text.startswith(f"{origin}: ") else f"{origin}: {text}") from None
    except MISFITS as error:
        if type(error).__name__ == "OutOfMemoryError":  # PyTorch's, of a card that has too little memory
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        short = reason if len(reason) <= LONGEST else f"{reason[:LONGEST]} ..."
        raise IadError(f"{origin}: its parts do not fit together ({short}); make it again") from error


def _clear_leftovers(path: Path) -> None:
    """Delete temporary files of this name that nobody touched for a day: their writers were killed.

    A younger one may be of a writer that is at work, here or on another computer that shares the folder.
    """
    if not path.parent.is_dir():
        return
    name = re.compile(rf"\.{re.escape(path.name[:REPEATED])}\.\d+-\d+\.part")
    for one in path.parent.iterdir():
        with suppress(OSError):  # another one was faster, or it is not ours
            if name.fullmatch(one.name) and time.time() - one.stat().st_mtime > LEFT_BEHIND:
                one.unlink()


def _values(path: Path, metadata: Mapping[str, str], what: str, remedy: str) -> dict[str, Any]:
    if HEADER not in metadata:
        raise IadError(f"{path}: a safetensors file, but no {what}; {remedy}")
    try:
        values = json.loads(metadata[HEADER], parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise IadError(f"{path}: its header was altered; copy it again, or {remedy}")
    return values


def _sha256_of_read(values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str | None:
    """The same of what was read; None of values that this module would not have written."""
    try:
        return content_sha256(values, arrays)
    except (ValueError, RecursionError):  # half of a character, lists in lists without end
        return None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _unreadable(path: Path, what: str, remedy: str) -> IadError:
    with path.open("rb") as file:
        start = file.read(64 + len(HEADER))
    if f'"{HEADER}"'.encode() in start:  # the header begins with its own text
        return IadError(f"{path}: a {what} cut short or altered; copy it again, or {remedy}")
    return IadError(f"{path}: no {what}, but {'an empty file' if not start else 'a file of another kind'}; {remedy}")


def _text(values: Mapping[str, Any], *, ordered: bool = True) -> str:
    return json.dumps(values, sort_keys=ordered, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
