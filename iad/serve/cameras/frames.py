"""Frames of a camera, as pictures that are inspected like files: the same bytes are judged, hashed and kept."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from iad.data.pictures import PictureFile

FAST = 1  # of zlib's levels; the highest saves a tenth of the size and takes five times as long


class NoFrameError(Exception):
    """The camera gave no frame; a camera that is gone is opened again."""


class Camera(Protocol):
    """Gives frames."""

    def take(self) -> np.ndarray:
        """The frame of now: the one that the camera exposes when it is asked, or else the next one that comes.

        Returns:
            uint8 or uint16 `(H, W)`, or uint8 `(H, W, 3)`, RGB.

        Raises:
            NoFrameError: if none comes.
            EOFError: if none will ever come: a video has ended.
        """

    @property
    def problem(self) -> str:
        """Why it gives no frames any more; empty while it does, as far as is known."""

    def close(self) -> None:
        """Let go of it."""


@dataclass(frozen=True)
class Frame(PictureFile):
    """A frame as a picture in memory.

    Attributes:
        data: its bytes, PNG.
    """

    data: bytes = b""

    def read(self) -> bytes:
        """Its bytes."""
        return self.data


def frame_of(pixels: np.ndarray, camera: str, name: str) -> Frame:
    r"""A frame as a picture.

    Args:
        pixels: as `Camera.take`.
        camera: for lines.
        name: of the picture.

    >>> frame_of(np.zeros((4, 6), np.uint8), "camera 0", named_now()).data[:4]
    b'\x89PNG'
    """
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=FAST)
    return Frame(Path(f"{camera} {name}"), name, data=file.getvalue())


def named_now() -> str:
    """A name for a frame of now: UTC to the millisecond, in letters that every file system takes."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S.%f")[:-3] + "Z.png"
