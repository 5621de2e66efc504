"""Where pictures lie that stay in object storage: a record in place of their bytes, with the hash of each."""

from __future__ import annotations

import io
import json
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP file can hold
UNIX = 3
READABLE = 0o100644 << 16
PLACE, FILES = "place.json", "files.parquet"  # no picture is called so


class Entry(NamedTuple):
    """One picture or mask.

    Attributes:
        name: The picture's id, or the mask's.
        key: Its path below the address, as the storage has it.
        size: In bytes.
        sha256: Of its bytes, hexadecimal.
        depth: Of `iad.data.formats.Depth`.
    """

    name: str
    key: str
    size: int
    sha256: str
    depth: int


class Record:
    """The entries of all pictures and masks, by name.

    Attributes:
        address: Of the folder in which all of them lie.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "record.zip"
        ...     write_record(path, "s3://line/bolts", [Entry("b.png", "b.png", 3, "00", 0)])
        ...     with ZipFile(path) as archive:
        ...         record = Record(archive)
        >>> record.address, record["b.png"].size
        ('s3://line/bolts', 3)
    """

    def __init__(self, archive: ZipFile) -> None:
        """Read what `write_record` wrote."""
        import pyarrow.parquet as pq

        self.address: str = json.loads(archive.read(PLACE))["address"]
        self._table = pq.ParquetFile(io.BytesIO(archive.read(FILES))).read().combine_chunks()

    def __getitem__(self, name: str) -> Entry:
        """The entry of that name; raises KeyError where there is none."""
        names = self._table["name"]
        row = bisect_left(names, name, key=lambda one: one.as_py())
        if row == len(names) or names[row].as_py() != name:
            raise KeyError(name)
        return Entry(**{column: self._table[column][row].as_py() for column in Entry._fields})

    def column(self, column: str, names: Sequence[str]) -> np.ndarray:
        """One number of several entries, int64 `(N,)`; raises KeyError with the first name that is not there."""
        import pandas as pd

        rows = pd.Index(self._table["name"].to_pandas()).get_indexer(list(names))
        if (rows < 0).any():
            raise KeyError(names[int(np.argmax(rows < 0))])
        found: np.ndarray = self._table[column].to_numpy()[rows]
        return found


def is_record(archive: ZipFile) -> bool:
    """Whether a file of originals holds a record instead of pictures."""
    return PLACE in archive.NameToInfo


def write_record(path: Path, address: str, entries: Sequence[Entry]) -> None:
    """Write a record; the same entries give the same bytes.

    Args:
        path: The file.
        address: Of the folder in which all of them lie.
        entries: In any order.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = (pa.string(), pa.string(), pa.int64(), pa.string(), pa.int8())
    columns = zip(*sorted(entries), strict=True)
    table = pa.table([pa.array(values, kind) for values, kind in zip(columns, kinds, strict=True)], Entry._fields)
    file = io.BytesIO()
    pq.write_table(table, file)
    with ZipFile(path, "w", ZIP_STORED) as archive:
        store(archive, PLACE, json.dumps({"address": address}).encode())
        store(archive, FILES, file.getvalue())


def store(archive: ZipFile, name: str, data: bytes) -> None:
    """Add a member that says nothing of when and where it was written."""
    member = ZipInfo(name, FIXED_DATE)
    member.create_system = UNIX  # else Windows writes other bytes
    member.external_attr = READABLE
    archive.writestr(member, data)
