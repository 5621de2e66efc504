"""Frames of a camera inspected as they are asked for: each gets one verdict, also where the camera gives none.

A part that was there and could not be seen did not pass: its verdict is "unread", as is that of a frame which is black,
saturated or frozen. The verdict is in the log before it is told; the frame is kept after that, if it is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from iad.bundles.predictor import Predictor
from iad.bundles.verdict import Verdict
from iad.data.pictures import PictureFile
from iad.errors import IadError
from iad.io import replacing
from iad.serve.cameras.faults import Faults
from iad.serve.cameras.frames import Frame, frame_of
from iad.serve.cameras.taking import LOOK_SECONDS, Taken, Taker
from iad.serve.entries import Entry, judged
from iad.serve.log import VerdictLog
from iad.serve.running.guard import Guard
from iad.serve.running.sorting import Sorting

Levels: TypeAlias = tuple[int, int] | None


@dataclass
class CameraWatcher:
    """Inspects frames.

    Attributes:
        inspector: the bundle.
        bundle: its SHA-256.
        taker: gives frames.
        log: where verdicts go.
        sorting: where frames are kept, by verdict; those of another verdict are not.
        guard: what tells a broken camera.
        clock: seconds that only go forward.
        pause: none: a step waits for the next frame.
    """

    inspector: Predictor
    bundle: str
    taker: Taker
    log: VerdictLog
    sorting: Sorting = field(default_factory=Sorting)
    guard: Guard = field(default_factory=Guard)
    clock: Callable[[], float] = time.monotonic
    pause: float = 0.0
    is_waiting: bool = True  # until there was a verdict

    def __post_init__(self) -> None:
        self._frame = Frame(Path(self.taker.name), "", problem="no frame")
        self._faults: tuple[Predictor, Faults] | None = None

    @property
    def place(self) -> str:
        """The camera, for lines."""
        return self.taker.name

    def picture(self, entry: Entry) -> PictureFile:
        """The last frame."""
        return replace(self._frame, name=entry.image_id)

    def step(self) -> Iterator[Entry]:
        """Inspect the next frame that is asked for, if one is soon, and yield its verdict once it is in the log.

        Raises:
            IadError: if the log cannot be written or a frame not be kept; or if the camera seems broken, after the
                verdict that shows it.
            EOFError: if a video has ended.
        """
        taken = self.taker.next(LOOK_SECONDS)
        if taken is None:
            return
        verdict, levels = self._judged(taken)
        entry = self._logged(verdict, self.clock() - taken.shot.since)
        taken.shot.answered(entry)
        self._keep(entry)
        self.is_waiting = False
        yield entry
        if broken := self.guard.see(entry, levels):
            raise IadError(f"{self.place}: stopped: {broken}; start again when that is mended")

    def _judged(self, taken: Taken) -> tuple[Verdict, Levels]:
        """What is said of a frame, and its levels; of a part that was there and could not be seen, that it was not."""
        if taken.pixels is None:
            return _unread(taken.name, f"{self.place}: {taken.why}; the part was not seen"), None
        self._frame = frame_of(taken.pixels, self.place, taken.name)
        fault, levels = self._looking().of(taken.pixels)
        if fault:
            error = f"{self.place}: {fault}"
            return replace(_unread(self._frame.name, error), sha256=self._frame.sha256), levels
        found = self.inspector.predict([self._frame], maps=False, errors="return", batch_size=1)
        return next(found), levels

    def _logged(self, verdict: Verdict, seconds: float) -> Entry:
        size = len(self._frame.data) if verdict.sha256 else 0
        entry = judged(verdict, self.inspector, self.bundle, image_id=verdict.image_id, size=size, seconds=seconds)
        place = self.sorting.place(entry.verdict, entry.image_id) if size else ""
        return self.log.append(replace(entry, kept=place), verdict.sight)

    def _keep(self, entry: Entry) -> None:
        if not entry.kept:
            return
        target = Path(entry.kept)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as part:
                part.write_bytes(self._frame.data)
        except OSError as error:
            what = f"cannot be written ({error.strerror})"
            raise IadError(f"{target}: {what}; make room, or name another folder to keep frames in") from None

    def _looking(self) -> Faults:
        """What looks at frames, beside the good pictures of the bundle at work."""
        if self._faults is None or self._faults[0] is not self.inspector:
            bundle = self.inspector.bundle
            self._faults = self.inspector, Faults(bundle.pictures, bundle.preprocess.white_16bit)
        return self._faults[1]


def _unread(name: str, error: str) -> Verdict:
    return Verdict(name, None, np.nan, np.nan, None, error=error)
