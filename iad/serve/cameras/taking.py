"""Frames taken when they are asked for, while the one before is still judged: a part on a line does not wait."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread

import numpy as np

from iad.serve.cameras.frames import NoFrameError, named_now
from iad.serve.cameras.plugged import Plugged
from iad.serve.triggers.shots import Shot, Trigger

MOST_TAKEN = 8  # frames that wait to be judged
LATE_SECONDS = 0.5  # after which another part stands there than the one that was announced
LOOK_SECONDS = 0.2  # between looks at the camera while nobody asks for a frame


@dataclass(frozen=True, eq=False)
class Taken:
    """A frame that was asked for.

    Attributes:
        shot: who asked.
        name: for the frame, by the time.
        pixels: as `iad.serve.cameras.frames.Camera.take`; None if there is none.
        why: there is none.
    """

    shot: Shot
    name: str
    pixels: np.ndarray | None = None
    why: str = ""


class Taker:
    """Takes frames in a thread of its own.

    Args:
        camera: gives them.
        trigger: asks for them.

    Attributes:
        name: of the camera.
    """

    def __init__(self, camera: Plugged, trigger: Trigger) -> None:
        self.name, self._camera, self._trigger = camera.name, camera, trigger
        self._taken: Queue[Taken | BaseException] = Queue(MOST_TAKEN)
        self._end = Event()
        self._thread = Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def next(self, seconds: float) -> Taken | None:
        """The next frame, or None if none is taken within some seconds.

        Raises:
            EOFError: if a video has ended.
        """
        try:
            found = self._taken.get(timeout=seconds)
        except Empty:
            return None
        if isinstance(found, BaseException):
            raise found
        return found

    def close(self) -> None:
        """Take no more."""
        self._end.set()
        self._thread.join()
        self._camera.close()

    def _run(self) -> None:
        try:
            while not self._end.is_set():
                shot = self._trigger.next(LOOK_SECONDS)
                if shot is None:
                    self._camera.look()
                elif (taken := self._asked(shot)) is not None:
                    self._put(taken)
        except BaseException as error:  # noqa: BLE001  # raised where frames are asked for
            self._put(error)

    def _asked(self, shot: Shot) -> Taken | None:
        if not shot.part:
            self._wait_for_the_others()
        elif (late := time.monotonic() - shot.since) > LATE_SECONDS:
            return Taken(shot, named_now(), why=f"was asked {late:.1f} s late, since parts come faster than judged")
        try:
            return Taken(shot, named_now(), self._camera.take())
        except NoFrameError as why:
            return Taken(shot, named_now(), why=str(why)) if shot.part else None

    def _wait_for_the_others(self) -> None:
        """A frame that the clock asks for shows what is there when it can be judged."""
        while not self._taken.empty() and not self._end.is_set():
            time.sleep(LOOK_SECONDS / 20)

    def _put(self, taken: Taken | BaseException) -> None:
        while not self._end.is_set():
            with suppress(Full):
                self._taken.put(taken, timeout=LOOK_SECONDS)
                break
