"""How a test of parts stands, in numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from iad.serve.drift.keeping import Alarm, last_scores, words_said
from iad.serve.drift.monitor import Monitor
from iad.serve.drift.parts import KINDS, Kind
from iad.statistics.exact import clopper_pearson
from iad.words import counted, percent

RECENT = 200  # last parts whose scores are compared with those of calibration
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Overruled:
    """How many verdicts operators overruled, of those that they spoke of.

    Attributes:
        wrong: overruled ones.
        spoken: all that they spoke of.
    """

    wrong: int
    spoken: int

    def __str__(self) -> str:
        """With a 95 % interval (Clopper and Pearson 1934).

        >>> str(Overruled(1, 8))
        '1 of 8 (12.5 %, 95 % interval 0.3 to 52.7 %)'
        """
        if not self.spoken:
            return "0 of 0"
        ends = clopper_pearson(self.wrong, self.spoken, CONFIDENCE)
        share = percent(self.wrong / self.spoken)
        return f"{self.wrong} of {self.spoken} ({share}, 95 % interval {100 * ends.low:.1f} to {100 * ends.high:.1f} %)"


@dataclass(frozen=True)
class Standing:
    """How a test stands.

    Attributes:
        parts: how many it has seen.
        evidence: logarithm to base 10 of what bets have come to, of each kind; 0 at the start.
        needed: the same of an alarm.
        alarms: what was found, at most one of each kind.
        recent: how many of the last parts are described by the following.
        rejected: share of them that was rejected.
        distance: largest difference between the distributions of their scores and of calibration (Kolmogorov and
            Smirnov), in [0, 1].
        chance: of at least such a distance if all were of one distribution; holds for one look, not for many.
        false_alarms: rejected parts that operators call good.
        escapes: passed parts that operators call bad.
    """

    parts: int
    evidence: dict[Kind, float]
    needed: float
    alarms: dict[Kind, Alarm]
    recent: int
    rejected: float
    distance: float
    chance: float
    false_alarms: Overruled
    escapes: Overruled


def standing(monitor: Monitor) -> Standing:
    """How a test stands now; what was judged since it was caught up is not in it.

    Raises:
        IadError: if the log cannot be read.
    """
    run, test = monitor.run, monitor.test
    recent = last_scores(monitor.log, run, RECENT)
    distance, chance = _distance([score for score, _ in recent], run.reference.scores)
    said = words_said(monitor.log, run)
    false_alarms, escapes = (
        Overruled(said.get((rejected, wrong), 0), sum(n for (was, _), n in said.items() if was is rejected))
        for rejected, wrong in ((True, "good"), (False, "bad"))
    )
    return Standing(
        parts=test.parts, evidence={kind: test.log(kind) / math.log(10) for kind in KINDS},
        needed=monitor.needed / math.log(10), alarms=dict(monitor.alarms), recent=len(recent),
        rejected=sum(rejected for _, rejected in recent) / max(len(recent), 1), distance=distance, chance=chance,
        false_alarms=false_alarms, escapes=escapes,
    )  # fmt: skip


def standing_lines(monitor: Monitor) -> Iterator[str]:
    """The same for people."""
    run, found = monitor.run, standing(monitor)
    yield f"bundle {run.bundle[:12]}: test {run.number} of its parts, begun {run.time[:19]} UTC ({run.reason})"
    yield f"{counted(found.parts, 'part')} seen"
    yield from _found(monitor, found)
    if found.recent:
        far = "" if found.chance > 0.001 else "; scores differ from those of the bundle's good pictures"
        yield (
            f"the last {found.recent}: {percent(found.rejected)} rejected, scores {found.distance:.2f} from those of "
            f"calibration (0 same, 1 apart; by chance p {found.chance:.2g}){far}"
        )
        causes, _ = monitor.causes(run.after + 1, monitor.last)
        yield from (f"  they are {cause}" for cause in causes)
    yield f"operators overruled: rejected but good {found.false_alarms}; passed but bad {found.escapes}"


def _found(monitor: Monitor, found: Standing) -> Iterator[str]:
    for kind in KINDS:
        if alarm := found.alarms.get(kind):
            yield f"ALARM at verdict {alarm.verdict}, since about verdict {alarm.since}: {alarm.text}"
        else:
            yield f"no alarm of {kind}: evidence 10^{found.evidence[kind]:z.1f}, alarm from 10^{found.needed:.1f} on"
    yield f"a false alarm of either is raised in {percent(monitor.run.alarm_rate)} of runs at most, however long"


def _distance(scores: list[float], calibration: tuple[float, ...]) -> tuple[float, float]:
    from scipy.stats import ks_2samp

    if not scores:
        return 0.0, 1.0
    found = ks_2samp(np.array(scores), np.array(calibration))
    return float(found.statistic), float(found.pvalue)
