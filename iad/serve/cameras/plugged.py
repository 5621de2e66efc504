"""A camera that may be unplugged: it is opened again, with a word when it is gone and when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from iad.errors import IadError
from iad.serve.addresses import require_port
from iad.serve.cameras.frames import Camera, NoFrameError
from iad.serve.sinks.choosing import needing

AGAIN_SECONDS = 2.0
ARAVIS = "aravis:"


class Plugged:
    """A camera by its address.

    Args:
        address: number of a USB camera, address of a stream, a video file, or aravis:NAME.
        tell: called with a line when it is gone, and when it is back.

    Raises:
        IadError: if there is none, or a package is missing.

    Attributes:
        name: in lines; without a password in it.
    """

    def __init__(self, address: str, tell: Callable[[str], None]) -> None:
        self.name, self._tell = name_of(address), tell
        self._open = opener(address)
        self._camera: Camera | None = None
        self._tried = time.monotonic()
        try:
            self._camera = self._open()
        except NoFrameError as why:
            raise IadError(
                f"--camera {without_password(address)}: {why}; check that it is there and that nobody else uses it"
            ) from None

    def take(self) -> np.ndarray:
        """The frame of now, as `iad.serve.cameras.frames.Camera.take`.

        Raises:
            NoFrameError: if there is none; the camera is opened again, if it is gone.
            EOFError: if a video has ended.
        """
        self.look()
        if self._camera is None:
            raise NoFrameError("is away")
        try:
            return self._camera.take()
        finally:
            self.look()

    def look(self) -> None:
        """See whether the camera is there, and open it again from time to time if it is not."""
        if self._camera is not None and self._camera.problem:
            self._tell(f"{self.name}: {self._camera.problem}; waiting for it")
            self.close()
            self._tried = time.monotonic()
        if self._camera is None and time.monotonic() - self._tried >= AGAIN_SECONDS:
            try:
                self._camera = self._open()
                self._tell(f"{self.name}: is back")
            except NoFrameError:
                self._tried = time.monotonic()

    @property
    def is_away(self) -> bool:
        """Whether it is gone."""
        return self._camera is None

    def close(self) -> None:
        """Let go of it."""
        if self._camera is not None:
            self._camera.close()
        self._camera = None


def opener(address: str) -> Callable[[], Camera]:
    """What opens a camera.

    Args:
        address: as `Plugged`.

    Raises:
        IadError: if it is no address of a camera, or a package is missing.
    """
    if address.startswith(ARAVIS):
        from iad.serve.cameras.aravis import AravisCamera, aravis

        aravis()
        return lambda: AravisCamera(address.removeprefix(ARAVIS))
    require_port("--camera", address)
    with needing("camera"):
        from iad.serve.cameras.opencv import STREAMS, Video, open_live
    if address.isdecimal() or ("://" in address and address.partition("://")[0].lower() in STREAMS):
        return lambda: open_live(address)
    if Path(address).is_file():
        return lambda: Video(Path(address))
    what = "give the number of a USB camera, rtsp://..., a video file, or aravis:NAME"
    raise IadError(f"--camera {without_password(address)}: no camera and no file; {what}")


def name_of(address: str) -> str:
    """An address as it is shown.

    >>> name_of("0"), name_of("aravis:Basler-2")
    ('camera 0', 'aravis:Basler-2')
    """
    return f"camera {address}" if address.isdecimal() else without_password(address)


def without_password(address: str) -> str:
    """An address as it was given, but for what nobody else should read.

    >>> without_password("0"), without_password("rtsp://me:secret@10.0.0.9:554/stream?token=1")
    ('0', 'rtsp://10.0.0.9')
    """
    if "://" not in address:
        return address
    try:
        parts = urlsplit(address)
        return f"{parts.scheme}://{parts.hostname}"
    except ValueError:
        return address.partition("://")[0]
