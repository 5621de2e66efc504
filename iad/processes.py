"""The same work on several items at once: in processes, since matplotlib keeps settings that threads would share."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from iad.errors import IadError
from iad.progress import track

T = TypeVar("T")
R = TypeVar("R")


def in_processes(work: Callable[[T], R], items: Sequence[T], processes: int, *, title: str, unit: str) -> list[R]:
    """Results of some work on each item, in the order of the items.

    Args:
        work: a function of a module, or a `partial` of one; what it takes and gives is copied between processes.
        items: what to work on.
        processes: how many work at once, at most; with one, or one item, it is this one.
        title: of the bar.
        unit: of the bar, as " methods".

    Raises:
        IadError: if a process is ended from outside; and whatever the work raises.

    >>> in_processes(len, ["a", "bc"], 1, title="measuring", unit=" words")
    [1, 2]
    """
    if min(processes, len(items)) < 2:
        return [work(item) for item in track(items, title, unit=unit)]
    anew = get_context("spawn")  # a copy of a process that has threads may hang
    try:
        with ProcessPoolExecutor(min(processes, len(items)), anew, _leave_interrupts) as pool:
            return list(track(pool.map(work, items), title, total=len(items), unit=unit))
    except BrokenProcessPool:
        raise IadError(
            f"{title}: a process was ended from outside, as when memory is short; free some, or lower compute.threads"
        ) from None


def _leave_interrupts() -> None:
    """Ctrl-C is for the process that waits, which says so once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
