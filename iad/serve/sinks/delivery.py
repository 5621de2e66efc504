"""Verdicts handed to a receiver as they come: in order, tried again until they arrive, never in the way of the line.

They are read from the log by a thread of its own. The log also knows how far a receiver has come; so nothing is lost
when the receiver or this program is away for a while, and a receiver may get a verdict twice (its `number` tells).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Protocol

from iad.errors import IadError
from iad.serve.entries import Choice, Entry
from iad.serve.log import VerdictLog
from iad.words import counted

LONGEST_WAIT_SECONDS, IDLE_SECONDS = 60.0, 0.2
TRIES_IF_REFUSED = 5  # of a verdict that the receiver does not want, before the next one has its turn
ENDING_SECONDS = 1.0  # that the end waits for a verdict on its way


class AwayError(Exception):
    """The receiver cannot be reached or does not answer; another try may do."""


class UnwantedError(Exception):
    """The receiver answers that it does not take this verdict; another try is hardly of use."""


class Receiver(Protocol):
    """Somebody who gets verdicts.

    Attributes:
        name: in lines for the person who runs the program, as "webhook: https://plant"; without a secret in it.
        target: by which the log knows how far it has come.
        fresh_seconds: after which a verdict is of no use to it; None: never.
    """

    name: str
    target: str
    fresh_seconds: float | None

    def send(self, entry: Entry) -> None:
        """Hand over a verdict; when this returns, the receiver has it.

        Raises:
            AwayError: if it cannot be reached.
            UnwantedError: if it refuses.
        """

    def greet(self) -> None:
        """Be connected, also while there is nothing to send.

        Raises:
            AwayError: if it cannot be reached.
        """

    def close(self) -> None:
        """Take leave."""


class Delivery:
    """Hands verdicts to a receiver, in a thread of its own.

    Args:
        receiver: who gets them; a new one gets those from now on.
        log: whose verdicts they are.
        tell: called with a line where the receiver cannot be reached or refuses, when it is back, and at the end of
            what it did not get.
    """

    def __init__(self, receiver: Receiver, log: VerdictLog, tell: Callable[[str], None]) -> None:
        self.receiver, self.log, self._tell = receiver, log, tell
        self._stop, self._news = Event(), Event()
        self._thread = Thread(target=self._run, name=receiver.name, daemon=True)
        self._tries = 0  # in vain, one after the other
        self._refusal = ""  # of the log, as it was told last
        self._late = 0  # verdicts that were left out since then
        if receiver.fresh_seconds is not None or log.sent(receiver.target) is None:
            log.mark_sent(receiver.target, log.last_number())

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the log now: a verdict was given."""
        self._news.set()

    def stop(self, seconds: float = 5.0) -> None:
        """End when everything is sent, or after some seconds; the rest is sent after the next start."""
        until = time.monotonic() + seconds
        while self._thread.is_alive() and self._left() and time.monotonic() < until:
            time.sleep(0.05)
        self._stop.set()
        self._news.set()
        self._thread.join(ENDING_SECONDS)
        left, later = self._left() + self._late, self.receiver.fresh_seconds is None
        if left:
            what = "sent after the next start" if later else "the log has what was left out"
            self._tell(f"{self.receiver.name}: {counted(left, 'verdict')} not delivered; {what}")

    def _left(self) -> int:
        return self.log.last_number() - self._position()

    def _position(self) -> int:
        return self.log.sent(self.receiver.target) or 0

    def _run(self) -> None:
        while not self._stop.is_set():
            self._news.clear()
            try:
                self._try(self.receiver.greet)
                for entry in self.log.entries(Choice(after=self._position())):
                    if not self._deliver(entry):
                        break
                    self.log.mark_sent(self.receiver.target, entry.number)
            except IadError as refusal:  # of the log; the line tells the same
                if str(refusal) != self._refusal:
                    self._tell(f"{self.receiver.name}: {refusal}")
                self._refusal = str(refusal)
            self._news.wait(IDLE_SECONDS)
        self.receiver.close()

    def _deliver(self, entry: Entry) -> bool:
        """Send one verdict, however long it takes; whether there was time for it before the end."""
        refused = 0
        while not self._stop.is_set():
            if self._is_late(entry):
                self._late += 1
                return True
            try:
                if self._try(lambda: self.receiver.send(entry)):
                    return True
            except UnwantedError as why:
                refused += 1
                if refused == TRIES_IF_REFUSED:
                    self._tell(f"{self.receiver.name} does not take verdict {entry.number} ({why}); it is left out")
                    self._tries = 0
                    return True
                self._pause(str(why))
        return False

    def _is_late(self, entry: Entry) -> bool:
        fresh = self.receiver.fresh_seconds
        return fresh is not None and datetime.now(UTC) - datetime.fromisoformat(entry.time) > timedelta(seconds=fresh)

    def _try(self, step: Callable[[], None]) -> bool:
        """Whether something could be done with the receiver; if not, wait for it a while."""
        try:
            step()
        except AwayError as why:
            self._pause(str(why))
            return False
        if self._tries:
            self._tell(f"{self.receiver.name}: answers again")
        self._tries = 0
        self._tell_late()
        return True

    def _tell_late(self) -> None:
        if self._late:
            self._tell(f"{self.receiver.name}: {counted(self._late, 'verdict')} came too late for it and were left out")
        self._late = 0

    def _pause(self, why: str) -> None:
        if self._tries == 0:
            self._tell(f"{self.receiver.name}: {why}; trying again until it answers")
        self._tries += 1
        longest = min(LONGEST_WAIT_SECONDS, self.receiver.fresh_seconds or LONGEST_WAIT_SECONDS)
        self._stop.wait(min(longest, 2.0 ** min(self._tries - 1, 6) / 2))
