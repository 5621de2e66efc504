"""Files that are either complete or absent: each is written beside its place and renamed when finished."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from iad.errors import IadError

Table: TypeAlias = dict[str, np.ndarray]
"""Columns of equal length by name: int64, float64, bool, or object arrays of str / None."""

CHUNK_BYTES = 1 << 20


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it on success, delete it on any failure.

    Raises:
        IadError: if the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise IadError(f"{path}: the disk is full; free some space and run the command again") from error
        raise


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder; on success it takes the place of `path`, on failure it is deleted."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON; refuses NaN and infinity, which JSON does not have."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        IadError: if the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _missing(path) from None
    except ValueError as error:  # also where the bytes are no text
        raise IadError(f"{path}: not valid JSON ({error}); run `dvc repro` to write it again") from None


def write_table(path: Path, table: Mapping[str, Any]) -> None:
    """Write columns of equal length as Parquet, in the order given."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with replacing(path) as part:
        pq.write_table(pa.table({name: pa.array(column) for name, column in table.items()}), part)


def read_table(path: Path) -> Table:
    """Read a Parquet file into NumPy columns.

    Raises:
        IadError: if the file is missing or cut short.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise _missing(path)
    try:
        table = pq.ParquetFile(path).read()
    except (pa.ArrowInvalid, OSError) as error:  # OSError where the middle of the file is damaged
        reason = " ".join(str(error).split())
        raise IadError(f"{path}: not a readable Parquet file ({reason}); run `dvc repro` to write it again") from None
    return {name: _column(table[name], pa) for name in table.column_names}


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a CSV file with a header row and Unix line ends."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


@contextmanager
def new_array(path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> Iterator[np.ndarray]:
    """Yield a writable memory-mapped `.npy` of this shape, whose disk space is reserved before the first write."""
    with replacing(path) as part:
        array = np.lib.format.open_memmap(part, mode="w+", dtype=dtype, shape=shape)
        _reserve(part)
        yield array
        array.flush()
        del array


def open_array(path: Path) -> np.ndarray:
    """Open a `.npy` file memory-mapped and read-only; pickled content is refused.

    Raises:
        IadError: if the file is missing or not a plain array.
    """
    if not path.is_file():
        raise _missing(path)
    try:
        return np.lib.format.open_memmap(path, mode="r")  # unlike np.load, it knows no other format
    except ValueError as error:
        raise IadError(f"{path}: not a readable array ({error}); run `dvc repro` to write it again") from None


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def cache_folder() -> Path:
    """The user's cache for downloads, shared by clones and experiments; the variable `IAD_CACHE` overrides it."""
    if chosen := os.environ.get("IAD_CACHE"):
        return Path(chosen)
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "iad"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "iad"


def _reserve(path: Path) -> None:
    # a write through a mapping into a full disk kills the process (SIGBUS); reserving first raises ENOSPC instead
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _column(column: Any, pa: Any) -> np.ndarray:
    # pyarrow's own conversion imports pandas, which takes longer than a whole stage that scores
    mixed = pa.types.is_string(column.type) or column.null_count
    return np.array(column.to_pylist(), dtype=object if mixed else None)


def _missing(path: Path) -> IadError:
    return IadError(f"{path}: missing; run `dvc repro` to write it")
