"""A verdict as the log keeps it, and which of them are asked for."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:  # what computes is not needed to read a log
    from iad.bundles.predictor import Predictor
    from iad.bundles.verdict import Verdict

Word: TypeAlias = Literal["good", "bad"]
"""What an operator says of a part."""

STATES = {"passed": "rejected = 0", "rejected": "rejected = 1", "unread": "rejected IS NULL"}
LAST_WORD = "(SELECT word FROM words WHERE words.verdict = verdicts.number ORDER BY words.number DESC LIMIT 1)"


@dataclass(frozen=True)
class Entry:
    """A verdict in the log.

    Attributes:
        image_id: the picture's name below the folder that was watched, or as it was sent.
        path: its file as it came, absolute; empty of a picture without a file.
        kept: where the file was to lie afterwards; empty if it was to stay.
        size: of the file, in bytes.
        modified: when the file was written, in nanoseconds of the system's clock.
        sha256: hex, of the picture's bytes; empty if they could not be had.
        bundle: SHA-256 of the bundle that spoke.
        method: of the bundle.
        score: float, higher = more anomalous; None where `error` is set.
        p_value: conformal; None where `error` is set.
        threshold: `rejected` is `score >= threshold`.
        rejected: None where `error` is set.
        error: why there is no verdict, in one line; else empty.
        seconds: from when the picture was complete, or was sent, to its verdict.
        time: of the verdict; empty of one that is not in the log yet.
        number: its row; 0 of one that is not in the log yet.
        word: what an operator said of it last: "good" or "bad"; empty if nothing.
        known: whether the bundle was made of this very picture, so that its verdict says nothing.
    """

    image_id: str
    path: str
    kept: str
    size: int
    modified: int
    sha256: str
    bundle: str
    method: str
    score: float | None
    p_value: float | None
    threshold: float
    rejected: bool | None
    error: str
    seconds: float
    time: str = ""
    number: int = 0
    word: str = ""
    known: bool = False

    @property
    def verdict(self) -> str:
        """In a word: passed, rejected or unread."""
        return "unread" if self.rejected is None else "rejected" if self.rejected else "passed"

    def record(self) -> dict[str, Any]:
        """As plain values for JSON, the verdict's word among them."""
        return {"verdict": self.verdict, **asdict(self)}


STORED = tuple(field.name for field in fields(Entry) if field.name not in ("number", "word"))


@dataclass(frozen=True)
class Choice:
    """Which verdicts are asked for; all of them, if nothing is set.

    Attributes:
        since: no earlier one; with a time zone.
        until: only earlier ones; with a time zone.
        verdict: "passed", "rejected" or "unread".
        bundle: the beginning of its SHA-256.
        name: a part of `image_id`.
        spoken: only those of which an operator said something.
        after: only rows of a larger number.
    """

    since: datetime | None = None
    until: datetime | None = None
    verdict: str = ""
    bundle: str = ""
    name: str = ""
    spoken: bool = False
    after: int = 0

    def where(self) -> tuple[str, list[Any]]:
        """The same for SQLite, with its values.

        >>> Choice(verdict="rejected", after=7).where()
        ('verdicts.number > ? AND rejected = 1', [7])
        """
        terms: list[tuple[str, Any]] = [
            ("verdicts.number > ?", self.after), ("time >= ?", self.since and in_utc(self.since)),
            ("time < ?", self.until and in_utc(self.until)), ("instr(bundle, ?) = 1", self.bundle),
            ("instr(image_id, ?) > 0", self.name),
        ]  # fmt: skip
        wanted = [(text, value) for text, value in terms if value not in (None, "")]
        bare = [STATES[self.verdict]] if self.verdict else []
        bare += [f"{LAST_WORD} IS NOT NULL"] if self.spoken else []
        return " AND ".join([*(text for text, _ in wanted), *bare]), [value for _, value in wanted]


def file_key(path: Path) -> str:
    r"""A file's absolute path as the log keeps it: bytes that are no Unicode as escapes.

    >>> file_key(Path("/in/caf\udce9.png"))
    '/in/caf\\xe9.png'
    """
    return os.fsencode(os.path.abspath(path)).decode(errors="backslashreplace")  # noqa: PTH100  # links stay links


def judged(
    verdict: Verdict, inspector: Predictor, bundle: str, *, image_id: str, size: int, seconds: float, path: str = "",
    modified: int = 0,
) -> Entry:  # fmt: skip
    """A verdict as the log will have it.

    Args:
        verdict: of a picture.
        inspector: that gave it.
        bundle: SHA-256 of its bundle.
        image_id: as in `Entry`.
        size: as in `Entry`.
        seconds: as in `Entry`.
        path: as in `Entry`.
        modified: as in `Entry`.
    """
    return Entry(
        image_id=image_id, path=path, kept="", size=size, modified=modified, sha256=verdict.sha256, bundle=bundle,
        method=inspector.method, score=_number(verdict.pred_score), p_value=_number(verdict.p_value),
        threshold=inspector.threshold, rejected=verdict.rejected, error=verdict.error, known=verdict.known,
        seconds=round(seconds, 4),
    )  # fmt: skip


def _number(value: float) -> float | None:
    """A number, or None in place of NaN, which neither SQLite nor JSON has."""
    return None if math.isnan(value) else value


def in_utc(time: datetime) -> str:
    """A time with its zone as the log keeps it, to the millisecond.

    >>> in_utc(datetime.fromisoformat("2026-11-27T10:00:00+01:00"))
    '2026-11-27T09:00:00.000Z'
    """
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def entry_of(row: Sequence[Any]) -> Entry:
    """The verdict of a row: `STORED`, its number and its word."""
    values = dict(zip((*STORED, "number", "word"), row, strict=True))
    rejected = values["rejected"]
    return Entry(**values | {"rejected": None if rejected is None else bool(rejected), "known": bool(values["known"])})
