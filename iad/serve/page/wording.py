"""What the page says, in words that a person at the line understands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from iad.serve.drift.causes import cause_in_words
from iad.serve.drift.report import Standing
from iad.words import counted

Level: TypeAlias = Literal["calm", "watch", "alarm", "unknown"]
FEW = 20  # parts, below which nothing is said
UNLIKELY = 0.001  # as in `iad log drift`


@dataclass(frozen=True)
class Weather:
    """How the line stands, in a line.

    Attributes:
        level: how urgent it is.
        title: in a word or two.
        text: in a sentence.
    """

    level: Level
    title: str
    text: str


def weather(found: Standing, causes: Sequence[str], pictures: int) -> Weather:
    """How parts stand beside the good pictures of their bundle.

    Args:
        found: by the bundle's test.
        causes: in what the last pictures differ from those of the bundle.
        pictures: how many were looked at for that.
    """
    if found.alarms:
        texts = "; ".join(alarm.text for alarm in found.alarms.values())
        now = f" The last {pictures} are {'; '.join(causes)}." if causes else ""
        since = min(alarm.since for alarm in found.alarms.values())
        return Weather(
            "alarm", "Parts have changed", f"Since about part {since} {texts}.{now} The promise may no longer hold."
        )
    if found.recent < FEW:
        seen = counted(found.recent, "part")
        return Weather(
            "unknown", "Too early to say", f"{seen} could be judged so far; from {FEW} on this line says how they are."
        )
    if found.chance < UNLIKELY or max(found.evidence.values()) > found.needed / 2:
        why = cause_in_words(causes, pictures)
        what = f"The last {found.recent} parts score differently from the good parts of the calibration."
        return Weather("watch", "Keep an eye on it", f"{what} {why[:1].upper()}{why[1:]}.")
    return Weather("calm", "As usual", f"The last {found.recent} parts score like the good parts of the calibration.")


def clock(time: str) -> str:
    """When it was, on the clock of this computer; the day too, unless it is today.

    Args:
        time: in UTC, as the log has it.
    """
    here = datetime.fromisoformat(time).astimezone()
    is_today = here.date() == datetime.now().astimezone().date()
    return here.strftime("%H:%M:%S" if is_today else "%d %b %H:%M:%S")


def oddness(p_value: float, calibration: int) -> str:
    """A conformal p-value in plain words.

    Args:
        p_value: of the part.
        calibration: how many good pictures it was compared with.

    >>> oddness(0.025, 39)
    'None of the 39 good parts that it was calibrated with looks as odd as this.'
    >>> oddness(0.5, 39)
    '19 of the 39 good parts that it was calibrated with look as odd as this, or odder.'
    """
    as_odd = round(p_value * (calibration + 1)) - 1
    who = f"of the {calibration:,} good parts that it was calibrated with"
    if as_odd <= 0:
        return f"None {who} looks as odd as this."
    look = "looks" if as_odd == 1 else "look"
    return f"{as_odd:,} {who} {look} as odd as this, or odder."
