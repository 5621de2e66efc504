"""What asks for frames."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from typing import Protocol

from iad.errors import IadError
from iad.serve.entries import Entry

MOST_WAITING = 8  # frames that were asked for and not taken


@dataclass
class Shot:
    """A frame that is asked for.

    Attributes:
        part: whether a part stands there for sure: if the camera gives no frame, that part did not pass.
        answered: called with its verdict, which is in the log then.
        since: when it was asked for, in seconds of a clock that only goes forward.
    """

    part: bool = True
    answered: Callable[[Entry], None] = field(default=lambda _: None)
    since: float = field(default_factory=time.monotonic)


class Trigger(Protocol):
    """Asks for frames."""

    def next(self, seconds: float) -> Shot | None:
        """The next frame that is asked for; None if none is within some seconds."""

    def close(self) -> None:
        """Ask for no more."""


LONGEST = 86_400.0  # seconds from frame to frame


class Clock:
    """Asks at even times; times that passed while a frame was judged are left out.

    Args:
        every: seconds from one to the next.
    """

    def __init__(self, every: float) -> None:
        if not 0 < every <= LONGEST:
            raise IadError(f"--every {every:g}: give the seconds from one frame to the next, above 0 and at most a day")
        self._every, self._due = every, time.monotonic()

    def next(self, seconds: float) -> Shot | None:
        """As `Trigger`."""
        wait = self._due - time.monotonic()
        if wait > seconds:
            time.sleep(seconds)
            return None
        time.sleep(max(0.0, wait))
        behind = max(0.0, time.monotonic() - self._due)
        self._due += self._every * (1 + behind // self._every)
        return Shot(part=False)

    def close(self) -> None:
        """As `Trigger`."""


class Asked:
    """Frames that other threads ask for, one after the other."""

    def __init__(self) -> None:
        self._waiting: Queue[Shot] = Queue(MOST_WAITING)

    def ask(self, shot: Shot) -> bool:
        """Ask for a frame; whether there was room."""
        try:
            self._waiting.put_nowait(shot)
        except Full:
            return False
        return True

    def next(self, seconds: float) -> Shot | None:
        """As `Trigger`."""
        try:
            return self._waiting.get(timeout=seconds)
        except Empty:
            return None
