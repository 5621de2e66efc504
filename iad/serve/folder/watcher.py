"""Pictures inspected as they come into a folder, each exactly once, also across restarts.

The log is the memory: a verdict is in it before it is told or the picture is moved. After a restart, a file whose path,
size and time the log knows is not inspected again; if it was to be moved and was not, it is moved then. Nor is a
picture that came from this folder and was put into a folder in it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from iad.bundles.predictor import Predictor
from iad.bundles.verdict import Verdict
from iad.data.pictures import PictureFile
from iad.errors import IadError
from iad.serve.entries import Entry, file_key, judged
from iad.serve.folder.inbox import Arrived, Inbox
from iad.serve.log import VerdictLog
from iad.serve.running.guard import Guard
from iad.serve.running.sorting import Sorting
from iad.serve.shadow import as_kept
from iad.words import counted


@dataclass
class Watcher:
    """Inspects what comes.

    Attributes:
        inspector: the bundle.
        bundle: its SHA-256.
        inbox: where pictures come.
        log: where verdicts go.
        sorting: where pictures go.
        guard: what tells a broken camera.
        clock: seconds that only go forward.
        pause: seconds between two looks at the folder.
        tell: called with a line for the person who runs it.
    """

    inspector: Predictor
    bundle: str
    inbox: Inbox
    log: VerdictLog
    sorting: Sorting = field(default_factory=Sorting)
    guard: Guard = field(default_factory=Guard)
    clock: Callable[[], float] = time.monotonic
    pause: float = 0.1
    tell: Callable[[str], None] = field(default=lambda _: None)

    def __post_init__(self) -> None:
        self._last = self.log.last_number()

    @property
    def place(self) -> str:
        """The folder, for lines."""
        return str(self.inbox.folder)

    @property
    def is_waiting(self) -> bool:
        """Whether files are there that are not complete yet."""
        return self.inbox.is_waiting

    def step(self) -> Iterator[Entry]:
        """Inspect what has become complete since the last step, and yield each verdict once it is in the log.

        A caller that stops in between leaves the rest for the next start.

        Raises:
            IadError: if the log cannot be written or a picture not be put into its place; or if the camera seems
                broken, after the verdict that shows it.
            OSError: if the folder cannot be looked through.
        """
        began = self.clock()
        settled = self.inbox.settled(began)
        arrived = [one for one in settled if not self._is_done(one)]
        if known := len(settled) - len(arrived):
            who = counted(known, "picture has", "pictures have")
            self.tell(f"{who} a verdict in {self.log.path} already and will not be inspected again")
        for one, verdict in zip(arrived, self._verdicts(arrived), strict=True):
            entry = self._entry(one, verdict, self.clock() - began)
            place = self.sorting.place(entry.verdict, one.name)
            entry = self.log.append(replace(entry, kept=place), verdict.sight)
            self.sorting.put(one.path, place)
            yield entry
            if broken := self.guard.see(entry, verdict.levels):
                raise IadError(f"{self.inbox.folder}: stopped: {broken}; start again when that is mended")

    def picture(self, entry: Entry) -> PictureFile:
        """The picture of a verdict, where it lies now."""
        return as_kept(entry)

    def _verdicts(self, arrived: Sequence[Arrived]) -> Iterator[Verdict]:
        size = min(max(1, len(arrived)), self.inspector.batch_size)
        files = [PictureFile(one.path, one.name) for one in arrived]
        return self.inspector.predict(files, maps=False, errors="return", batch_size=size)

    def _is_done(self, one: Arrived) -> bool:
        """Whether there is a verdict on it; the picture is put into its place, if it was not."""
        before = self.log.of_file(file_key(one.path), one.size, one.modified)
        if before is None:
            return self._was_put(one)
        if not self.sorting.copy or before.number == self._last:  # of copies only the last one can be missing
            self.sorting.finish(one.path, before.kept)
        return True

    def _was_put(self, one: Arrived) -> bool:
        """Whether it came from this folder before, and lies where its verdict has put it."""
        before = self.log.put_at(file_key(one.path), one.size) if "/" in one.name else None
        return before is not None and before.path.startswith(file_key(self.inbox.folder) + os.sep)

    def _entry(self, one: Arrived, verdict: Verdict, seconds: float) -> Entry:
        return judged(
            verdict, self.inspector, self.bundle, image_id=one.name, size=one.size, seconds=seconds,
            path=file_key(one.path), modified=one.modified,
        )  # fmt: skip
