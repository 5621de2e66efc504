"""All that the page asks of the server, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iad.serve.drift.lookout import Lookout
from iad.serve.entries import Choice, Entry
from iad.serve.http.intake import Intake
from iad.serve.http.station import SentPicture, Station
from iad.serve.log import VerdictLog
from iad.serve.page.keepsake import Keepsake
from iad.serve.page.shelf import Shelf
from iad.serve.page.trial import Trial, tried
from iad.serve.page.views import Views
from iad.serve.page.wording import Weather, weather

AT_ONCE = 4  # pictures of a folder that wait at the same time, so that others are not held up


@dataclass(frozen=True, eq=False)
class Desk:
    """What a page looks at and works with. Methods wait for the disk: call them in a thread of their own.

    Attributes:
        intake: where pictures are judged.
        log: where verdicts are.
        lookout: tests of the parts.
        views: of parts.
        shelf: folders of this computer.
    """

    intake: Intake
    log: VerdictLog
    lookout: Lookout
    views: Views
    shelf: Shelf

    @classmethod
    def of(cls, intake: Intake, log: VerdictLog, lookout: Lookout, keepsake: Keepsake, shelf: Shelf) -> Desk:
        """Put it together."""
        return cls(intake, log, lookout, Views(log, intake.stations, keepsake, shelf), shelf)

    @property
    def bundles(self) -> list[str]:
        """Names of the bundles at work."""
        return list(self.intake.stations)

    def station(self, name: str) -> Station:
        """A bundle at work."""
        return self.intake.station(name)

    def stamp(self) -> tuple[int, int]:
        """Changes whenever the log does."""
        text = "SELECT coalesce((SELECT max(number) FROM verdicts), 0), coalesce((SELECT max(number) FROM words), 0)"
        verdicts, words = self.log.rows(text, [])[0]
        return verdicts, words

    def recent(self, choice: Choice, most: int) -> list[Entry]:
        """The last verdicts of a choice, the newest first."""
        return list(self.log.entries(choice, last=most))[::-1]

    def weather(self, name: str) -> Weather:
        """How the parts of a bundle are."""
        found = self.lookout.standing(name)
        return weather(found, *self.lookout.causes(name))

    def of_bundle(self, name: str, most: int) -> list[Entry]:
        """The last verdicts of a bundle at work on pictures that could be read."""
        entries = self.log.entries(Choice(bundle=self.station(name).sha256), last=most)
        return [one for one in entries if one.score is not None]

    def try_threshold(self, name: str, entries: Sequence[Entry], threshold: float) -> Trial:
        """What another threshold would have done to a bundle's last parts; see `iad.serve.page.trial.tried`."""
        inspector = self.station(name).inspector
        return tried(entries, threshold, inspector.threshold, inspector.bundle.calibration.scores, self.log.path)

    def read(self, paths: Sequence[Path]) -> list[SentPicture]:
        """Pictures of a folder on the shelf, as if they had been sent; one that has vanished is empty."""
        return [SentPicture(Path(one.name), one.name, data=_bytes(one), origin=str(one)) for one in paths]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
