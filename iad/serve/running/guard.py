"""What looks like a broken camera rather than like bad parts.

Frames that show nothing, frames that repeat, or frames of which too many are rejected.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from iad.serve.entries import Entry
from iad.words import percent

FEW_LEVELS = 8  # of 256: what spans no more than these shows nothing, noise aside
IN_A_ROW = 5  # frames that are blank or the same, after which it is no accident


@dataclass
class Guard:
    """Looks at verdicts as they come.

    Attributes:
        most: share of the last pictures that may be rejected, or could not be read.
        of: how many pictures those are; with fewer nothing is said of their share.
    """

    most: float = 0.5
    of: int = 50
    _odd: deque[bool] = field(default_factory=deque)
    _blank: int = 0
    _same: int = 0
    _before: str = ""

    def see(self, entry: Entry, levels: tuple[int, int] | None) -> str:
        """Why inspecting should stop after this picture, in one line; empty if it should go on.

        Args:
            entry: its verdict.
            levels: its darkest and its brightest value; None if it could not be read.

        >>> guard = Guard()
        >>> entry = Entry("a.png", "", "", 0, 0, "", "", "vit", 0.1, 0.9, 1.0, False, "", 0.1)
        >>> [bool(guard.see(entry, levels=(0, 3))) for _ in range(5)]
        [False, False, False, False, True]
        """
        self._odd.append(entry.rejected is not False)
        if len(self._odd) > self.of:
            self._odd.popleft()
        self._blank = self._blank + 1 if levels and levels[1] - levels[0] <= FEW_LEVELS else 0
        self._same = self._same + 1 if entry.sha256 and entry.sha256 == self._before else 0
        self._before = entry.sha256
        return self._broken(levels)

    def _broken(self, levels: tuple[int, int] | None) -> str:
        if levels and self._blank >= IN_A_ROW:
            return f"the last {self._blank} pictures are {colour_of(levels)}; look at the camera and its light"
        if self._same >= IN_A_ROW - 1:
            return f"the last {self._same + 1} pictures are the very same file; the camera seems to be frozen"
        rejected = sum(self._odd) / self.of
        if len(self._odd) == self.of and rejected > self.most:
            return (
                f"{percent(rejected)} of the last {self.of} pictures were rejected or could not be read, more than "
                f"{percent(self.most)}; look at the camera and its light before the parts"
            )
        return ""


def colour_of(levels: tuple[int, int]) -> str:
    """In words, a picture that shows nothing.

    Args:
        levels: its darkest and its brightest value.
    """
    return "black" if levels[1] < 64 else "white" if levels[0] > 191 else "of one colour"
