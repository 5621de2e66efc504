"""`iad watch` from its first step to its last: until a signal, and through times when pictures cannot be had."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType

from filelock import FileLock, Timeout

from iad.errors import IadError
from iad.serve.entries import Entry
from iad.serve.running.following import Follower
from iad.serve.running.inspecting import Inspecting
from iad.serve.sinks.delivery import Delivery

AWAY_SECONDS = 2.0  # after which a folder is looked for again
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def run(
    watcher: Inspecting, show: Callable[[Entry], None], tell: Callable[[str], None], *,
    follower: Follower | None = None, deliveries: Sequence[Delivery] = (), once: bool = False,
) -> int:  # fmt: skip
    """Inspect what comes until a signal asks to end; the picture in hand is finished.

    Args:
        watcher: what inspects.
        show: called with each verdict.
        tell: called with a line for the person who runs it.
        follower: what goes on beside; it stops nothing.
        deliveries: who gets verdicts; they are ended with it.
        once: end when all that was there is inspected.

    Returns:
        How many pictures were inspected.

    Raises:
        IadError: as `Inspecting.step`.
    """

    def told(entry: Entry) -> None:
        for one in deliveries:
            one.wake()
        show(entry)

    with asked_to_end() as end:
        try:
            for one in deliveries:
                one.start()
            return _until(end, watcher, told, tell, follower, once=once)
        finally:
            for one in deliveries:
                one.stop()


def _until(
    end: Event, watcher: Inspecting, show: Callable[[Entry], None], tell: Callable[[str], None],
    follower: Follower | None, *, once: bool,
) -> int:  # fmt: skip
    inspected, away = 0, False
    while not end.is_set():
        if follower is not None:
            follower.renew()
        try:
            inspected += _stepped(end, watcher, show, follower)
            away = False
        except OSError as error:
            if not away:
                tell(f"{watcher.place}: cannot be looked through ({error.strerror}); waiting for it")
            away = True
        except EOFError:
            break
        if once and not away and not watcher.is_waiting:
            break
        end.wait(AWAY_SECONDS if away else watcher.pause)
    return inspected


def _stepped(end: Event, watcher: Inspecting, show: Callable[[Entry], None], follower: Follower | None) -> int:
    """Inspect what is complete; how many pictures that were."""
    inspected = 0
    for entry in watcher.step():
        show(entry)
        inspected += 1
        if follower is not None:
            follower.see(entry)
        if end.is_set():
            break
    return inspected


@contextmanager
def alone(log: Path, place: Path | str) -> Iterator[None]:
    """Keep a second watcher from a folder or a camera with the same log: each picture would be judged twice.

    Raises:
        IadError: if there is one.
    """
    mark = hashlib.sha256(os.fsencode(os.path.realpath(place))).hexdigest()[:12]
    lock = FileLock(log.with_name(f".{log.name}.{mark}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise IadError(f"{place}: another `iad watch` with this log is at work there; end it first") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def asked_to_end() -> Iterator[Event]:
    """An event that a signal sets, in place of ending this process at once; a second signal ends it."""
    asked = Event()

    def note(number: int, _: FrameType | None) -> None:
        asked.set()
        signal.signal(number, signal.SIG_DFL)

    old = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield asked
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
