"""A test of the parts of one bundle that follows the log: it reads what was judged, by whichever program."""

from __future__ import annotations

import math
from typing import Self

import numpy as np

from iad.errors import IadError
from iad.serve.drift.causes import likely_causes
from iad.serve.drift.exchange import HIGHER, LOWER, MORE, NARROWER, WIDER, ExchangeTest
from iad.serve.drift.keeping import (
    Alarm,
    Reference,
    Run,
    alarm_of,
    begin,
    keep_snapshot,
    last_snapshot,
    latest,
    number_of_part,
    raise_alarm,
    scores_after,
    sights_between,
    tested_bundles,
)
from iad.serve.log import VerdictLog

PAGE = 1000  # verdicts read at once
SNAPSHOT_PARTS = 10_000  # a restart takes a second for so many
SHOWN_PICTURES = 200  # of which it is said what they show

CHANGES = {
    HIGHER: "scores are higher", LOWER: "scores are lower", WIDER: "scores lie farther apart",
    NARROWER: "scores lie closer together", MORE: "more parts score high",
}  # fmt: skip
"""What a bet that won says."""


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
        alarm: what it has found; None as long as there is no alarm.
    """

    def __init__(self, log: VerdictLog, run: Run) -> None:
        self.log = log
        self._take_up(run)

    @classmethod
    def begin(cls, log: VerdictLog, bundle: str, reference: Reference, *, alarm_rate: float, defects: float) -> Self:
        """Go on with the bundle's test, or begin one; see `iad.serve.drift.keeping.begin`."""
        return cls(log, begin(log, bundle, reference, alarm_rate=alarm_rate, defects=defects))

    def catch_up(self, most: int = 0) -> Alarm | None:
        """Take in what was judged since; returns an alarm that was not known before.

        Args:
            most: parts at once; 0: all.

        Raises:
            IadError: if the log cannot be read, or the alarm not be written.
        """
        before, alarm = self.run.number, self.alarm
        if (run := latest(self.log, self.run.bundle)) and run.number != self.run.number:
            self._take_up(run)
        while page := scores_after(self.log, self.run.bundle, self.last, min(PAGE, most) if most else PAGE):
            for number, score in page:
                self._see(number, score)
            if most:
                break
        new = self.alarm is not None and (alarm is None or self.run.number != before)
        return self.alarm if new else None

    def causes(self, since: int, until: int) -> list[str]:
        """What the pictures of these verdicts show beside those of the bundle, in words."""
        sights = sights_between(self.log, self.run.bundle, since, until, SHOWN_PICTURES)
        return likely_causes(sights, self.run.reference)

    def _take_up(self, run: Run) -> None:
        self.run, self.alarm, self.last = run, alarm_of(self.log, run), run.after
        scores = np.array(run.reference.scores)[None]
        self.test = ExchangeTest(scores, np.array([run.reference.threshold]), defects=run.defects, seed=run.seed)
        if found := last_snapshot(self.log, run):
            self.last, state = found
            self.test.restore(state)

    def _see(self, number: int, score: float) -> None:
        self.test.see(np.array([score]))
        self.last = number
        if self.alarm is None and self.test.log[0] >= -math.log(self.run.alarm_rate):
            self.alarm = self._alarm(number)
        if self.test.parts % SNAPSHOT_PARTS == 0:
            keep_snapshot(self.log, self.run, number, self.test.state())

    def _alarm(self, number: int) -> Alarm:
        [(change, part)] = self.test.change()
        since = number_of_part(self.log, self.run, part)
        causes = self.causes(since, number)
        why = f"likely cause: {'; '.join(causes)}" if causes else "light, place and sharpness tell no cause"
        text = f"{CHANGES[change]} than those of the bundle's good pictures and of earlier parts; {why}"
        return raise_alarm(self.log, self.run, number, since, text)


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
