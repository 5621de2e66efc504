"""What inspects pictures as they come, wherever they come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from iad.bundles.predictor import Predictor
from iad.data.pictures import PictureFile
from iad.serve.entries import Entry
from iad.serve.log import VerdictLog


class Inspecting(Protocol):
    """Inspects the pictures of a folder or a camera.

    Attributes:
        inspector: the bundle; may be replaced between two steps.
        bundle: its SHA-256.
        log: where verdicts go.
        pause: seconds that may pass between two steps.
    """

    inspector: Predictor
    bundle: str
    log: VerdictLog
    pause: float

    @property
    def place(self) -> str:
        """Where pictures come from, for lines."""

    @property
    def is_waiting(self) -> bool:
        """Whether there is something that will be inspected in one of the next steps."""

    def step(self) -> Iterator[Entry]:
        """Inspect what has come, and yield each verdict once it is in the log.

        Raises:
            IadError: if it has to stop.
            OSError: if nothing is to be had now.
            EOFError: if nothing more will come.
        """

    def picture(self, entry: Entry) -> PictureFile:
        """The picture of the verdict that was yielded last."""
