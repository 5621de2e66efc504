"""A test of the parts of one bundle that follows the log: it reads what was judged, by whichever program."""

from __future__ import annotations

import math
from typing import Self

import numpy as np

from iad.bundles.sealed import in_one_line
from iad.bundles.sight import TRAITS
from iad.errors import IadError
from iad.serve.drift.causes import cause_in_words, likely_causes
from iad.serve.drift.exchange import HIGHER, LOWER, MORE, NARROWER, WIDER
from iad.serve.drift.keeping import (
    Alarm,
    Run,
    alarms_of,
    begin,
    keep_snapshot,
    last_snapshot,
    latest,
    number_of_part,
    parts_after,
    raise_alarm,
    sights_between,
    tested_bundles,
)
from iad.serve.drift.parts import KINDS, Kind, PartTest, Reference
from iad.serve.log import VerdictLog

PAGE = 1000  # verdicts read at once
SNAPSHOT_PARTS = 10_000  # a restart takes a second for so many
SHOWN_PICTURES = 200  # of which it is said what they show

WAYS = {
    HIGHER: "higher", LOWER: "lower", WIDER: "farther apart", NARROWER: "closer together",
    MORE: "high more often",
}  # fmt: skip


class Monitor:
    """Tests the parts of one bundle as they come into a log.

    Several programs may have one for the same log: all come to the same numbers. One thread at a time uses it.

    Args:
        log: the log.
        run: the test.

    Attributes:
        log: as given.
        run: the test that goes on: a later one, once somebody has begun one.
        last: number of the last verdict that was taken in.
        test: where it stands.
        alarms: what it has found, at most one of each kind.
    """

    def __init__(self, log: VerdictLog, run: Run) -> None:
        self.log = log
        self._take_up(run)

    @classmethod
    def begin(cls, log: VerdictLog, bundle: str, reference: Reference, *, alarm_rate: float, defects: float) -> Self:
        """Go on with the bundle's test, or begin one; see `iad.serve.drift.keeping.begin`."""
        return cls(log, begin(log, bundle, reference, alarm_rate=alarm_rate, defects=defects))

    @property
    def needed(self) -> float:
        """Logarithm of the wealth at which a test raises an alarm: both share the rate."""
        return math.log(len(KINDS) / self.run.alarm_rate)

    def catch_up(self, most: int = 0) -> list[Alarm]:
        """Take in what was judged since; returns alarms that were not known before.

        Args:
            most: parts at once; 0: all.

        Raises:
            IadError: if the log cannot be read, or an alarm not be written.
        """
        known = {} if self._has_new_run() else dict(self.alarms)
        while page := parts_after(self.log, self.run.bundle, self.last, min(PAGE, most) if most else PAGE):
            for part in page:
                self._see(*part)
            if most:
                break
        return [alarm for kind, alarm in self.alarms.items() if kind not in known]

    def causes(self, since: int, until: int) -> tuple[list[str], int]:
        """What the pictures of these verdicts show beside those of the bundle, in words; how many were looked at."""
        sights = sights_between(self.log, self.run.bundle, since, until, SHOWN_PICTURES)
        found = np.array(sights, dtype=np.float64).reshape(-1, len(TRAITS))
        return likely_causes(found, self.run.reference.traits), len(found)

    def _has_new_run(self) -> bool:
        """Take up a test that somebody has begun meanwhile."""
        run = latest(self.log, self.run.bundle)
        if run is None or run.number == self.run.number:
            return False
        self._take_up(run)
        return True

    def _take_up(self, run: Run) -> None:
        self.run, self.alarms, self.last = run, alarms_of(self.log, run), run.after
        self.test = PartTest(run.reference, defects=run.defects, seed=run.seed)
        if found := last_snapshot(self.log, run):
            self.last, state = found
            with in_one_line(str(self.log.path)):
                self.test.restore(state)

    def _see(self, number: int, score: float, sight: tuple[float | None, ...] | None) -> None:
        self.test.see(score, sight)
        self.last = number
        for kind in KINDS:
            if kind not in self.alarms and self.test.log(kind) >= self.needed:
                self.alarms[kind] = self._alarm(kind, number)
        if self.test.parts % SNAPSHOT_PARTS == 0:
            keep_snapshot(self.log, self.run, number, self.test.state())

    def _alarm(self, kind: Kind, number: int) -> Alarm:
        what, way, ago, below = self.test.change(kind)
        since = number_of_part(self.log, self.run, number, ago, below=below)
        causes, pictures = self.causes(since, number)
        if kind == "scores":
            why = cause_in_words(causes, pictures)
            text = f"scores are {WAYS[way]} than those of calibration and of earlier parts; {why}"
        else:
            shown = "; ".join(causes) or f"{what} {WAYS[way]}, though not by much"
            text = f"pictures are unlike those of calibration: {shown}"
        return raise_alarm(self.log, self.run, kind, number, since, text)


def followed(log: VerdictLog, bundle: str, *, again: str = "") -> list[Monitor]:
    """The last test of each bundle in a log.

    Args:
        log: the log.
        bundle: only those whose SHA-256 begins like this.
        again: why a new test is begun; empty: none is.

    Raises:
        IadError: if there is none, or a new one is to begin of several bundles.
    """
    names = [name for name in tested_bundles(log) if name.startswith(bundle)]
    if not names:
        raise IadError(f"{log.path}: no test of such parts; `iad watch` and `iad serve` begin one (--bundle)")
    if again and len(names) > 1:
        raise IadError(f"{log.path}: tests of {len(names)} bundles; name the one to begin again (--bundle)")
    runs = [run for name in names if (run := latest(log, name))]
    if again:
        [run] = runs
        rate, defects = run.alarm_rate, run.defects
        runs = [begin(log, run.bundle, run.reference, alarm_rate=rate, defects=defects, reason=again)]
    return [Monitor(log, run) for run in runs]
