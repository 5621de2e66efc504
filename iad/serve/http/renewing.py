"""Bundles of a server whose files are replaced: taken up between two batches, while the server answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event, Thread

from iad.errors import IadError
from iad.serve.drift.lookout import Lookout
from iad.serve.drift.monitor import Monitor
from iad.serve.http.station import Station
from iad.serve.swapping import BundleFile

EVERY_SECONDS = 1.0


class Renewer:
    """Looks whether files of bundles are others, in a thread of its own.

    Args:
        bundles: files by the names of their stations.
        stations: where they are at work.
        lookout: tests of their parts.
        tested: begins the test of a bundle's parts.
    """

    def __init__(
        self, bundles: Mapping[str, BundleFile], stations: Mapping[str, Station], lookout: Lookout,
        tested: Callable[[BundleFile], Monitor],
    ) -> None:  # fmt: skip
        self._bundles, self._stations, self._lookout, self._tested = bundles, stations, lookout, tested
        self._end = Event()
        self._thread = Thread(target=self._run, name="renewer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._end.set()
        self._thread.join()

    def look(self) -> None:
        """Take up what is another bundle since the last time."""
        for name, bundle in self._bundles.items():
            if bundle.renewed():
                self._stations[name].take(bundle.inspector, bundle.sha256)
                self._lookout.follow(name, self._tested(bundle))

    def _run(self) -> None:
        while not self._end.wait(EVERY_SECONDS):
            try:
                self.look()
            except IadError:  # of the log, which is told where verdicts are written
                continue
