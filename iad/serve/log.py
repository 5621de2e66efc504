"""The verdict log: one row per verdict in an SQLite file, appended and never changed.

A row is on the disk before anybody hears of its verdict, so what was answered is in the log whatever happens next. What
an operator says of a part later is a row of its own beside the verdict.

Times are UTC, ISO 8601. Rows are told apart and ordered by their number, so that a clock that jumps mixes nothing up.
The file is in SQLite's WAL mode: several programs may write at once and others read meanwhile, on one computer; a
network drive does not hold what that needs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any, Self, TypeAlias

from iad.bundles.sight import TRAITS
from iad.bundles.verdicts import encodable
from iad.errors import IadError
from iad.serve.entries import LAST_WORD, STORED, Choice, Entry, Word, entry_of, in_utc
from iad.serve.schema import TABLES, statements

APPLICATION, FORMAT = 0x1AD106, 1  # PRAGMA application_id and user_version
WAIT_SECONDS = 10.0  # for another program that writes
PAGE = 1000  # rows read at once

Sight: TypeAlias = tuple[float, ...] | None


class VerdictLog:
    """A verdict log on disk; several threads and programs may share it.

    Args:
        path: the file; made, if `create` says so and it is not there.
        create: whether it may be made.

    Raises:
        IadError: if the file is not there, is something else, or cannot be opened or written. So do all methods, where
            the disk is full or another program holds the file for long.

    >>> from tempfile import TemporaryDirectory
    >>> entry = Entry("a.png", "", "", 0, 0, "", "", "vit", 0.75, 0.5, 1.0, False, "", 0.1)
    >>> with TemporaryDirectory() as folder, VerdictLog(Path(folder) / "verdicts.db") as log:
    ...     written = log.append(entry)
    ...     log.say(written.number, "bad")
    ...     [(one.number, one.image_id, one.verdict, one.word) for one in log.entries()]
    [(1, 'a.png', 'passed', 'bad')]
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path, self._lock = path, RLock()
        if not path.is_file() and not create:
            raise IadError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}; name a verdict log (--log)")
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(
                path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )  # fmt: skip
            try:
                self._inode = path.stat().st_ino
                self._prepare()
            except BaseException:
                self._base.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was appended is in it already."""
        self._base.close()

    def append(self, entry: Entry, sight: Sight = None) -> Entry:
        """Write a verdict to the disk, and return it with its time and number; see `append_all`."""
        return self.append_all([entry], [sight])[0]

    def append_all(self, entries: Sequence[Entry], sights: Sequence[Sight] = ()) -> list[Entry]:
        """Write verdicts to the disk, all or none, and return them with their time and numbers.

        Args:
            entries: the verdicts.
            sights: what the pictures show, in the same order, see `iad.bundles.sight`; empty: of none it is known.
        """
        timed = [replace(one, time=in_utc(datetime.now(UTC))) for one in entries]
        text = f"INSERT INTO verdicts ({', '.join(STORED)}) VALUES ({', '.join('?' * len(STORED))})"  # noqa: S608  # our own names
        rows = [[_stored(getattr(one, name)) for name in STORED] for one in timed]
        with self.writing() as base:
            numbers = [base.execute(text, row).lastrowid or 0 for row in rows]
            shown = [(number, *sight) for number, sight in zip(numbers, sights, strict=False) if sight]
            base.executemany(f"INSERT INTO sights VALUES ({', '.join('?' * (1 + len(TRAITS)))})", shown)  # noqa: S608
        return [replace(one, number=number) for one, number in zip(timed, numbers, strict=True)]

    def say(self, number: int, word: Word, *, speaker: str = "") -> None:
        """Write what an operator says of a part: that it is good or bad, whatever its verdict was.

        Raises:
            IadError: if there is no such verdict, or the picture could not be read.
        """
        with self.writing() as base:
            found = base.execute("SELECT rejected FROM verdicts WHERE number = ?", [number]).fetchone()
            if found is None:
                raise IadError(f"{self.path}: no verdict has the number {number}")
            if found[0] is None:
                why = "could not be read, so nothing is said of it; have it judged again"
                raise IadError(f"{self.path}: picture {number} {why}")
            values = [number, in_utc(datetime.now(UTC)), word, speaker]
            base.execute("INSERT INTO words (verdict, time, word, speaker) VALUES (?, ?, ?, ?)", values)

    def entries(self, choice: Choice | None = None, *, last: int = 0) -> Iterator[Entry]:
        """Verdicts in the order in which they were given.

        Args:
            choice: which of them.
            last: how many of these at most, from the end; 0: all.
        """
        chosen = choice or Choice()
        if last:
            where, values = chosen.where()
            edge = f"SELECT number FROM verdicts WHERE {where} ORDER BY number DESC LIMIT 1 OFFSET ?"  # noqa: S608  # values come apart
            found = self.rows(edge, [*values, last - 1])
            chosen = replace(chosen, after=max(chosen.after, found[0][0] - 1)) if found else chosen
        while page := self._page(chosen):
            yield from page
            chosen = replace(chosen, after=page[-1].number)

    def put_at(self, place: str, size: int) -> Entry | None:
        """The last verdict whose picture of so many bytes was put at a place, or None if there is none."""
        found = self._select("kept = ? AND kept != '' AND size = ? ORDER BY number DESC LIMIT 1", [place, size])
        return found[0] if found else None

    def of_file(self, path: str, size: int, modified: int) -> Entry | None:
        """The last verdict on a file as it is, or None if there is none."""
        where = "path = ? AND size = ? AND modified = ? ORDER BY number DESC LIMIT 1"
        found = self._select(where, [path, size, modified])
        return found[0] if found else None

    def last_number(self) -> int:
        """Number of the last verdict; 0 of an empty log."""
        return int(self.rows("SELECT coalesce(max(number), 0) FROM verdicts", [])[0][0])

    def sent(self, target: str) -> int | None:
        """Number of the last verdict that a receiver has, or None if it is new."""
        found = self.rows("SELECT number FROM sent WHERE target = ?", [target])
        return int(found[0][0]) if found else None

    def mark_sent(self, target: str, number: int) -> None:
        """Note that a receiver has all verdicts up to this one."""
        with self.writing() as base:
            base.execute("INSERT OR REPLACE INTO sent (target, number) VALUES (?, ?)", [target, number])

    def _prepare(self) -> None:
        self._base.execute("PRAGMA synchronous = FULL")  # a row outlives a power cut
        if self._pragma("application_id") == APPLICATION:
            self._is_ours()
        else:
            with self.writing():  # of two programs that make it, the second waits, and finds it made
                if not self._is_ours():
                    self._make()
        if not self._is_whole():
            with self.writing():
                self._make()
        if self._pragma("journal_mode") != "wal":
            self._base.execute("PRAGMA journal_mode = WAL")

    def _is_ours(self) -> bool:
        """Whether it is a verdict log already, where an empty file may become one."""
        if self._pragma("application_id") != APPLICATION:
            if self._base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise IadError(f"{self.path}: a database of another program; name another file (--log)")
            return False
        if (version := self._pragma("user_version")) != FORMAT:
            raise IadError(f"{self.path}: a verdict log of format {version}, and this iad reads {FORMAT}; update iad")
        return True

    def _is_whole(self) -> bool:
        """Whether it has all tables; one that an older iad made lacks some."""
        found = self._base.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name for (name,) in found} >= TABLES.keys()

    def _pragma(self, name: str) -> Any:
        return self._base.execute(f"PRAGMA {name}").fetchone()[0]

    def _make(self) -> None:
        for statement in statements():
            self._base.execute(statement)
        self._base.execute(f"PRAGMA application_id = {APPLICATION}")
        self._base.execute(f"PRAGMA user_version = {FORMAT}")

    def _page(self, choice: Choice) -> list[Entry]:
        where, values = choice.where()
        return self._select(f"{where} ORDER BY verdicts.number LIMIT {PAGE}", values)

    def _select(self, where: str, values: Sequence[Any]) -> list[Entry]:
        columns = ", ".join([*STORED, "number", f"coalesce({LAST_WORD}, '')"])
        text = f"SELECT {columns} FROM verdicts WHERE {where}"  # noqa: S608  # values come apart
        return [entry_of(row) for row in self.rows(text, values)]

    def rows(self, text: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """What an SQL query finds."""
        with self._lock, self._told():
            return self._base.execute(text, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The file, to append to: all that is written within is on the disk afterwards, or nothing of it."""
        with self._lock, self._told():
            self._require_in_place()
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
                self._base.execute("COMMIT")
            finally:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")

    def _require_in_place(self) -> None:
        """Refuse to write where nobody would find it: into a file that was removed, renamed or replaced meanwhile."""
        try:
            there = self.path.stat().st_ino
        except FileNotFoundError:
            there = -1
        if there != self._inode:
            raise IadError(f"{self.path}: removed or replaced while it is in use; put it back, and start again")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise IadError(f"{self.path}: {_why(error)}") from None


def _stored(value: Any) -> Any:
    return encodable(value) if isinstance(value, str) else value


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be opened ({error.strerror}); name another file (--log)"
    text = str(error)
    if "full" in text:
        return "the disk is full, so no verdict can be logged; free some space"
    if "locked" in text:
        return f"another program holds it for more than {WAIT_SECONDS:.0f} seconds; end that one, or name another file"
    if "not a database" in text:
        return "no verdict log, but a file of another kind; name another file (--log)"
    return f"cannot be read or written ({text}); check its permissions, or name another file (--log)"
