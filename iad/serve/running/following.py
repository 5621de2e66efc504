"""What goes on beside what is watched: the test of its parts, a shadow, and a bundle that may be replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from iad.serve.drift.keeping import reference_of
from iad.serve.drift.lookout import alarm_line
from iad.serve.drift.monitor import Monitor
from iad.serve.entries import Entry
from iad.serve.running.inspecting import Inspecting
from iad.serve.shadow import Shadow
from iad.serve.swapping import BundleFile


@dataclass
class Follower:
    """Follows a watcher.

    Attributes:
        bundle: the bundle at work; one that replaces it is taken up between two pictures.
        watcher: what inspects with it.
        tell: called with a line for the person who runs it.
        alarm_rate: as in `iad.serve.drift.keeping.Run`.
        defects: as in `iad.serve.drift.keeping.Run`.
        shadow: a second bundle; None: there is none.
    """

    bundle: BundleFile
    watcher: Inspecting
    tell: Callable[[str], None]
    alarm_rate: float
    defects: float
    shadow: Shadow | None = None

    def __post_init__(self) -> None:
        self._begin()

    def renew(self) -> None:
        """Take up another bundle, if its file is another; a new test of the parts begins with it."""
        if self.bundle.renewed():
            self.watcher.inspector, self.watcher.bundle = self.bundle.inspector, self.bundle.sha256
            self._begin()

    def see(self, entry: Entry) -> None:
        """Take in a verdict that is in the log, whose picture is in its place."""
        self._look()
        if self.shadow is not None:
            self.shadow.submit([entry], [self.watcher.picture(entry)])

    def _begin(self) -> None:
        self._monitor = Monitor.begin(
            self.watcher.log, self.bundle.sha256, reference_of(self.bundle.inspector), alarm_rate=self.alarm_rate,
            defects=self.defects,
        )  # fmt: skip
        for alarm in self._monitor.alarms.values():  # that stand from before
            self.tell(alarm_line(self.bundle.path.stem, alarm))
        self._look()

    def _look(self) -> None:
        for alarm in self._monitor.catch_up():
            self.tell(alarm_line(self.bundle.path.stem, alarm))
