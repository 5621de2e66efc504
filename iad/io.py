"""Files that are either complete or absent: each is written beside its place and renamed when finished.

Tables are pandas DataFrames, kept as Parquet; pandas and pyarrow are imported when a table is read or written, since a
command that only prints help would wait for them.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from iad.errors import IadError

if TYPE_CHECKING:
    import pandas as pd

Table: TypeAlias = "pd.DataFrame"
"""Columns by name, rows numbered from 0: int64, float64, bool, and pandas' `str`, in which missing text is NaN."""

CHUNK_BYTES = 1 << 20
LONGEST = 40  # characters of a file's name that its temporary one repeats: 160 bytes at most
_NUMBERS = itertools.count()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it on success, delete it on any failure.

    Raises:
        IadError: if the disk is full.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "notes.txt"
        ...     with replacing(file) as part:
        ...         _ = part.write_text("all or nothing")
        ...         half_way = file.exists()
        ...     half_way, file.read_text()
        (False, 'all or nothing')
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        with _told_if_full(path):
            yield temporary
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder that becomes `path` on success, unless another was faster; deleted on failure.

    A folder at `path` is complete, and somebody may be reading it: it stays, and what the block wrote is deleted.

    Raises:
        IadError: if the disk is full.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as name:
        ...     folder = Path(name) / "unpacked"
        ...     for word in ("first", "second"):
        ...         with new_folder(folder) as part:
        ...             _ = (part / "file").write_text(word)
        ...     (folder / "file").read_text()
        'first'
    """
    temporary = _beside(path)
    shutil.rmtree(temporary, ignore_errors=True)  # left by a killed process that had the same number
    temporary.mkdir(parents=True)
    try:
        with _told_if_full(path):
            yield temporary
            _rename_unless_there(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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


def write_table(path: Path, table: pd.DataFrame | Mapping[str, Any]) -> None:
    """Write a table as Parquet, in the order of its columns; the index is not kept.

    The file holds no note of pandas or its version, so that the same columns are the same bytes.

    Args:
        path: The file.
        table: A DataFrame, or columns of equal length by name; a Series counts by position, whatever its index.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "scores.parquet"
        ...     write_table(file, {"image_id": ["a.png", "b.png"], "score": [1 / 3, 2.5]})
        ...     read_table(file)
          image_id     score
        0    a.png  0.333333
        1    b.png  2.500000
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = pa.Table.from_pandas(_frame(table), preserve_index=False).replace_schema_metadata(None)
    with replacing(path) as part:
        pq.write_table(columns, part)


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet file.

    Returns:
        Its columns as they were written (int64, float64 and bool to the bit; text as pandas' `str`, in which a missing
        value is NaN: ask with `.isna()`), with rows numbered from 0.

    Raises:
        IadError: if the file is missing or cut short.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise _missing(path)
    try:
        # pandas.read_parquet would take a folder called a=1 for a column
        table: pd.DataFrame = pq.ParquetFile(path).read().to_pandas()
    except (pa.ArrowInvalid, OSError) as error:  # OSError where the middle of the file is damaged
        reason = " ".join(str(error).split())
        raise IadError(f"{path}: not a readable Parquet file ({reason}); run `dvc repro` to write it again") from None
    return table


def write_csv(
    path: Path, table: pd.DataFrame | Mapping[str, Any] | Sequence[str], rows: Sequence[Sequence[object]] | None = None
) -> None:
    """Write a CSV file with a header row, Unix line ends and floats that round-trip; a missing value is empty.

    Args:
        path: The file.
        table: As in `write_table`; or the header alone, if `rows` is given.
        rows: The rows below the header, each value written as `str` tells it.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "scores.csv"
        ...     write_csv(file, {"image_id": ["a, 1.png", "b.png"], "score": [0.1, None]})
        ...     print(file.read_text())
        image_id,score
        "a, 1.png",0.1
        b.png,
        <BLANKLINE>
    """
    import pandas as pd

    # dtype object: an integer stays one beside a missing value
    frame = _frame(table) if rows is None else pd.DataFrame(list(rows), columns=list(table), dtype=object)
    with replacing(path) as part:
        frame.to_csv(part, index=False, lineterminator="\n", encoding="utf-8")


@contextmanager
def new_array(path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> Iterator[np.ndarray]:
    """Yield a writable memory-mapped `.npy` of this shape, whose disk space is reserved before the first write.

    Raises:
        IadError: if the disk is full.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "images.npy"
        ...     with new_array(file, (2, 3), np.uint8) as array:
        ...         array[:] = 7
        ...     open_array(file).tolist()
        [[7, 7, 7], [7, 7, 7]]
    """
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
    """Hex SHA-256 of a file, read in chunks.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "abc"
    ...     _ = file.write_bytes(b"abc")
    ...     sha256_of(file)[:16]
    'ba7816bf8f01cfea'
    """
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


def _beside(path: Path) -> Path:
    """A name for what is to become `path`, which no other process and no other thread uses."""
    short = path.name[:LONGEST]  # a name may be as long as the file system takes
    return path.with_name(f".{short}.{os.getpid()}-{next(_NUMBERS)}.part")


@contextmanager
def _told_if_full(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise IadError(f"{path}: the disk is full; free some space and run the command again") from error
        raise


def _rename_unless_there(temporary: Path, path: Path) -> None:
    try:
        temporary.rename(path)
    except OSError:  # the system refuses to rename a folder to one that holds files
        if not path.is_dir():
            raise


def _reserve(path: Path) -> None:
    # a write through a mapping into a full disk kills the process (SIGBUS); reserving first raises ENOSPC instead
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _frame(table: Any) -> pd.DataFrame:
    import pandas as pd

    if isinstance(table, pd.DataFrame):
        return table
    # without its index: pandas would align columns by it
    return pd.DataFrame({name: getattr(column, "array", column) for name, column in table.items()})


def _missing(path: Path) -> IadError:
    return IadError(f"{path}: missing; run `dvc repro` to write it")
