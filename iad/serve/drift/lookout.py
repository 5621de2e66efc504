"""Tests of several bundles that follow the log beside a server, in a thread of their own: no verdict waits for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event, Lock, Thread

from iad.errors import IadError
from iad.serve.drift.keeping import Alarm
from iad.serve.drift.monitor import Monitor
from iad.serve.drift.report import Standing, standing

EVERY_SECONDS = 2.0
AT_ONCE = 200  # parts; then others may ask how it stands


class Lookout:
    """Keeps tests up with the log, and tells their alarms.

    Args:
        monitors: tests by the names of their bundles.
        tell: called with a line for the person who runs the server.
    """

    def __init__(self, monitors: Mapping[str, Monitor], tell: Callable[[str], None]) -> None:
        self._monitors, self._tell, self._lock, self._end = dict(monitors), tell, Lock(), Event()
        self._failed = ""
        self._thread = Thread(target=self._run, name="lookout", daemon=True)

    def start(self) -> None:
        """Begin; alarms that stand from before are told."""
        for name, monitor in self._monitors.items():
            for alarm in monitor.alarms.values():
                self._tell(alarm_line(name, alarm))
        self._thread.start()

    def stop(self) -> None:
        """End, and take in no more."""
        self._end.set()
        self._thread.join()

    def follow(self, name: str, monitor: Monitor) -> None:
        """Follow another test from now on, of a bundle that is in the place of the one before."""
        with self._lock:
            self._monitors[name] = monitor

    def standing(self, name: str) -> Standing:
        """How the test of a bundle stands.

        Raises:
            IadError: if the log cannot be read.
        """
        with self._lock:
            return standing(self._monitors[name])

    def causes(self, name: str) -> tuple[list[str], int]:
        """In what the last pictures differ from those of a bundle, in words, and how many were looked at.

        Raises:
            IadError: if the log cannot be read.
        """
        with self._lock:
            monitor = self._monitors[name]
            return monitor.causes(monitor.run.after + 1, monitor.last)

    def look(self) -> None:
        """Take in what was judged since the last time; a log that cannot be read is told once."""
        try:
            for name, monitor in list(self._monitors.items()):
                while self._step(name, monitor):
                    pass
            self._failed = ""
        except IadError as refusal:
            if str(refusal) != self._failed:
                self._tell(f"parts are not tested: {refusal}")
            self._failed = str(refusal)

    def _step(self, name: str, monitor: Monitor) -> bool:
        """Take in a few parts; whether there were any."""
        before = monitor.last, monitor.run.number
        with self._lock:
            alarms = monitor.catch_up(AT_ONCE)
        for alarm in alarms:
            self._tell(alarm_line(name, alarm))
        return not self._end.is_set() and before != (monitor.last, monitor.run.number)

    def _run(self) -> None:
        while not self._end.wait(EVERY_SECONDS):
            self.look()


def alarm_line(name: str, alarm: Alarm) -> str:
    """What is told of an alarm, in one line."""
    since = f"the promise may no longer hold, since about verdict {alarm.since}"
    return f"ALARM {name}: {since}: {alarm.text} (iad log drift)"
