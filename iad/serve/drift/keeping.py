"""Tests of parts as the verdict log keeps them: their beginnings, their alarms, and where they stood from time to time.

All of it is appended. A test goes on from its last snapshot with the verdicts that came later, so that it comes to the
same numbers after a restart, and in every program that reads the log.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from iad.bundles.sealed import in_one_line
from iad.bundles.sight import TRAITS
from iad.serve.drift.parts import Kind, Reference
from iad.serve.entries import LAST_WORD, in_utc
from iad.serve.log import VerdictLog

if TYPE_CHECKING:
    from iad.bundles.predictor import Predictor

Part: TypeAlias = tuple[int, float, tuple[float | None, ...] | None]

SHOWN = ", ".join(f"sights.{name}" for name in TRAITS)
COUNTED = "bundle = ? AND verdicts.number > ? AND score IS NOT NULL AND known = 0"
"""Verdicts that a test looks at: of new pictures that could be read."""


@dataclass(frozen=True)
class Run:
    """A test of the parts that one bundle judges.

    Attributes:
        number: of the test in the log.
        time: when it began.
        bundle: SHA-256.
        after: number of the last verdict before it.
        seed: of its draws.
        alarm_rate: probability of a false alarm, of either kind, ever.
        defects: share of parts that may be defective.
        reference: what parts are compared with.
        reason: why it was begun.
    """

    number: int
    time: str
    bundle: str
    after: int
    seed: int
    alarm_rate: float
    defects: float
    reference: Reference
    reason: str


@dataclass(frozen=True)
class Alarm:
    """What a test has found.

    Attributes:
        kind: of what: scores or pictures.
        time: when.
        verdict: number of the verdict at which it was raised.
        since: number of the verdict with which the change seems to have begun.
        text: what changed, in words.
    """

    kind: Kind
    time: str
    verdict: int
    since: int
    text: str


def reference_of(predictor: Predictor) -> Reference:
    """What parts are compared with that this bundle judges."""
    bundle = predictor.bundle
    calibration = bundle.calibration
    sights = predictor.sights.of_known(calibration.pictures).tolist()
    known = tuple(tuple(None if math.isnan(value) else value for value in row) for row in sights)
    return Reference(tuple(calibration.scores.tolist()), bundle.threshold.value, known)


def begin(
    log: VerdictLog, bundle: str, reference: Reference, *, alarm_rate: float, defects: float, reason: str = ""
) -> Run:
    """Go on with the last test of a bundle, or begin one if there is none like it.

    Args:
        log: the log.
        bundle: SHA-256.
        reference: of it.
        alarm_rate: as in `Run`.
        defects: as in `Run`.
        reason: why a new one is begun in any case; empty: only if there is none of this rate and this share.
    """
    with log.writing():  # of two programs that begin, the second finds it begun
        last = latest(log, bundle)
        if last and not reason and (last.alarm_rate, last.defects) == (alarm_rate, defects):
            return last
        why = reason or ("other options" if last else "the first of this bundle")
        _insert(log, "tests", {
            "time": _now(), "bundle": bundle, "after": log.last_number(),
            "seed": str(secrets.randbits(64)), "alarm_rate": alarm_rate, "defects": defects,
            "reference": json.dumps(asdict(reference)), "reason": why,
        })  # fmt: skip
        found = latest(log, bundle)
    if found is None:
        raise RuntimeError("a row that was just written is not there")
    return found


def latest(log: VerdictLog, bundle: str) -> Run | None:
    """The last test of a bundle, by its SHA-256."""
    rows = log.rows("SELECT * FROM tests WHERE bundle = ? ORDER BY number DESC LIMIT 1", [bundle])
    for number, time, name, after, seed, alarm_rate, defects, reference, reason in rows:
        with in_one_line(str(log.path)):
            read = json.loads(reference)
            kept = Reference(tuple(read["scores"]), read["threshold"], tuple(map(tuple, read["sights"])))
        return Run(number, time, name, after, int(seed), alarm_rate, defects, kept, reason)
    return None


def tested_bundles(log: VerdictLog) -> list[str]:
    """SHA-256 of every bundle that has a test, the one that began last at the end."""
    return [name for (name,) in log.rows("SELECT bundle FROM tests GROUP BY bundle ORDER BY max(number)", [])]


def parts_after(log: VerdictLog, bundle: str, number: int, most: int) -> list[Part]:
    """The next verdicts that a test looks at: number, score, and what the picture shows, or None."""
    text = (
        f"SELECT verdicts.number, score, sights.verdict, {SHOWN} FROM verdicts "  # noqa: S608
        f"LEFT JOIN sights ON sights.verdict = verdicts.number WHERE {COUNTED} ORDER BY verdicts.number LIMIT ?"
    )
    rows = log.rows(text, [bundle, number, most])
    return [(number, score, None if shown is None else tuple(sight)) for number, score, shown, *sight in rows]


def last_scores(log: VerdictLog, run: Run, most: int) -> list[tuple[float, bool]]:
    """Scores of a test's last verdicts, the last one first, and whether each was rejected."""
    text = f"SELECT score, rejected FROM verdicts WHERE {COUNTED} ORDER BY verdicts.number DESC LIMIT ?"  # noqa: S608
    return [(score, bool(rejected)) for score, rejected in log.rows(text, [run.bundle, run.after, most])]


def number_of_part(log: VerdictLog, run: Run, last: int, ago: int, *, below: float = math.inf) -> int:
    """Number of a verdict that a test looked at, so many before a later one.

    Args:
        log: the log.
        run: the test.
        last: number of the later one.
        ago: how many.
        below: only parts that score lower are counted.
    """
    text = (
        f"SELECT verdicts.number FROM verdicts WHERE {COUNTED} AND verdicts.number <= ? AND score < ? "  # noqa: S608
        "ORDER BY verdicts.number DESC LIMIT 1 OFFSET ?"
    )
    found = log.rows(text, [run.bundle, run.after, last, below, ago])
    return int(found[0][0]) if found else run.after + 1


def sights_between(log: VerdictLog, bundle: str, first: int, last: int, most: int) -> list[tuple[float, ...]]:
    """What pictures show whose verdicts have these numbers, the last ones if there are more."""
    text = (
        f"SELECT {SHOWN} FROM sights JOIN verdicts ON verdicts.number = sights.verdict "  # noqa: S608
        f"WHERE {COUNTED} AND verdicts.number <= ? ORDER BY verdicts.number DESC LIMIT ?"
    )
    return log.rows(text, [bundle, first - 1, last, most])


def words_said(log: VerdictLog, run: Run) -> dict[tuple[bool, str], int]:
    """How many parts of a test were rejected or not, and called good or bad by operators."""
    text = (
        f"SELECT rejected, {LAST_WORD} AS word, count(*) FROM verdicts "  # noqa: S608
        f"WHERE {COUNTED} AND verdicts.number IN (SELECT verdict FROM words) GROUP BY rejected, word"
    )
    return {(bool(rejected), word): count for rejected, word, count in log.rows(text, [run.bundle, run.after])}


def alarms_of(log: VerdictLog, run: Run) -> dict[Kind, Alarm]:
    """The alarms of a test, at most one of each kind."""
    rows = log.rows("SELECT kind, time, verdict, since, text FROM alarms WHERE test = ? ORDER BY number", [run.number])
    return {kind: Alarm(kind, *rest) for kind, *rest in rows}


def raise_alarm(log: VerdictLog, run: Run, kind: Kind, verdict: int, since: int, text: str) -> Alarm:
    """Write an alarm, unless another program has; the one that is in the log is returned."""
    with log.writing():
        if not (found := alarms_of(log, run).get(kind)):
            found = Alarm(kind, _now(), verdict, since, text)
            _insert(log, "alarms", {"test": run.number, **asdict(found)})
    return found


def keep_snapshot(log: VerdictLog, run: Run, verdict: int, state: dict[str, Any]) -> None:
    """Write where a test stands after a verdict, unless another program has."""
    with log.writing():
        if not log.rows("SELECT 1 FROM snapshots WHERE test = ? AND verdict >= ?", [run.number, verdict]):
            _insert(log, "snapshots", {"test": run.number, "verdict": verdict, "state": json.dumps(state)})


def last_snapshot(log: VerdictLog, run: Run) -> tuple[int, dict[str, Any]] | None:
    """After which verdict a test stood where, if that was kept."""
    text = "SELECT verdict, state FROM snapshots WHERE test = ? ORDER BY verdict DESC LIMIT 1"
    rows = log.rows(text, [run.number])
    return (rows[0][0], json.loads(rows[0][1])) if rows else None


def _insert(log: VerdictLog, table: str, values: dict[str, Any]) -> None:
    names: Sequence[str] = tuple(values)
    text = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608  # our own names
    log.rows(text, list(values.values()))


def _now() -> str:
    return in_utc(datetime.now(UTC))
