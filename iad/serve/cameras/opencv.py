"""Cameras that OpenCV opens: USB cameras by their number, streams by their address, and videos for trials."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Condition, Thread

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what goes wrong is told here, in one line
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

import cv2
import numpy as np

from iad.serve.cameras.frames import NoFrameError

ANSWER_SECONDS = 5.0
STREAMS = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "rtp")


def open_live(address: str) -> LiveCamera:
    """A camera by its number, or a stream by its address.

    Raises:
        NoFrameError: if it cannot be opened.
    """
    return LiveCamera(int(address) if address.isdecimal() else address)


class LiveCamera:
    """A camera that goes on whether anybody asks or not: a thread takes each frame, so that none is an old one.

    Args:
        source: number of a USB camera, or address of a stream.

    Raises:
        NoFrameError: if it cannot be opened.
    """

    def __init__(self, source: int | str) -> None:
        self._capture = _captured(source)
        self._news, self._wanted, self._ended = Condition(), False, False
        self._frame: np.ndarray | None = None
        self.problem = ""
        self._thread = Thread(target=self._run, name=f"camera {source}", daemon=True)
        self._thread.start()

    def take(self) -> np.ndarray:
        """As `iad.serve.cameras.frames.Camera`."""
        with self._news:
            self._ask()
            self._news.wait_for(lambda: self._frame is not None or self.problem, ANSWER_SECONDS)
            frame = self._frame
        if frame is None:
            self.problem = self.problem or f"gave no frame within {ANSWER_SECONDS:g} seconds"
            raise NoFrameError(self.problem)
        return frame

    def close(self) -> None:
        """As `iad.serve.cameras.frames.Camera`."""
        self._ended = True
        self._thread.join(ANSWER_SECONDS)

    def _ask(self) -> None:
        self._frame, self._wanted = None, True

    def _run(self) -> None:
        while not self._ended:
            wanted = self._wanted  # before the frame comes, so that it is no older than the question
            if not self._capture.grab():
                self._note(None, "gives no frames any more")
                break
            if wanted:
                got, frame = self._capture.retrieve()
                self._note(_rgb(frame) if got else None, "" if got else "gave a damaged frame")
        self._capture.release()

    def _note(self, frame: np.ndarray | None, problem: str) -> None:
        with self._news:
            self._frame, self._wanted = frame, False
            self.problem = self.problem or problem
            self._news.notify_all()


class Video:
    """A video that is gone through frame by frame, for trials without a camera.

    Args:
        path: the file.

    Raises:
        NoFrameError: if it is none.
    """

    problem = ""

    def __init__(self, path: Path) -> None:
        self._capture = _captured(str(path))

    def take(self) -> np.ndarray:
        """As `iad.serve.cameras.frames.Camera`."""
        got, frame = self._capture.read()
        if not got:
            raise EOFError
        return _rgb(frame)

    def close(self) -> None:
        """As `iad.serve.cameras.frames.Camera`."""
        self._capture.release()


def _captured(source: int | str) -> cv2.VideoCapture:
    limit = int(1000 * ANSWER_SECONDS)
    if isinstance(source, int):
        found = cv2.VideoCapture(source)
    else:
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit, cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit]
        found = cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
    if not found.isOpened():
        raise NoFrameError("cannot be opened")
    return found


def _rgb(frame: np.ndarray) -> np.ndarray:
    """As the house has pictures; a grey camera that is handed over in colour becomes grey again."""
    if frame.ndim == 3 and (frame[..., :1] == frame).all():
        return np.ascontiguousarray(frame[..., 0])
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) if frame.ndim == 3 else frame
