"""`iad watch` from its first step to its last: until a signal, and through times when the folder is away."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType

from filelock import FileLock, Timeout

from iad.errors import IadError
from iad.serve.entries import Entry
from iad.serve.folder.following import Follower
from iad.serve.folder.watcher import Watcher
from iad.serve.folder.webhook import Webhook

EVERY_SECONDS = 0.1  # the folder is looked through so often
AWAY_SECONDS = 2.0  # and so often while it cannot be
SECRET = "IAD_WEBHOOK_SECRET"  # noqa: S105  # the name of a variable
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def run(
    watcher: Watcher, show: Callable[[Entry], None], tell: Callable[[str], None], *, follower: Follower | None = None,
    webhook: str = "", once: bool = False,
) -> int:  # fmt: skip
    """Inspect what comes until a signal asks to end; the picture in hand is finished.

    Args:
        watcher: what inspects.
        show: called with each verdict.
        tell: called with a line for the person who runs it.
        follower: what goes on beside; it stops nothing.
        webhook: an address that verdicts are sent to.
        once: end when all that was there is inspected.

    Returns:
        How many pictures were inspected.

    Raises:
        IadError: as `Watcher.step` and `Webhook`.
    """
    sender = Webhook(webhook, os.environ.get(SECRET, ""), watcher.log, tell) if webhook else None
    with asked_to_end() as end:
        try:
            if sender is not None:
                sender.start()
            return _until(end, watcher, show, tell, follower, once=once)
        finally:
            if sender is not None:
                sender.stop()


def _until(
    end: Event, watcher: Watcher, show: Callable[[Entry], None], tell: Callable[[str], None],
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
                tell(f"{watcher.inbox.folder}: cannot be looked through ({error.strerror}); waiting for it")
            away = True
        if once and not away and not watcher.inbox.is_waiting:
            break
        end.wait(AWAY_SECONDS if away else EVERY_SECONDS)
    return inspected


def _stepped(end: Event, watcher: Watcher, show: Callable[[Entry], None], follower: Follower | None) -> int:
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
def alone(log: Path, folder: Path) -> Iterator[None]:
    """Keep a second watcher from a folder whose verdicts go to the same log: each picture would be judged twice.

    Raises:
        IadError: if there is one.
    """
    mark = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:12]
    lock = FileLock(log.with_name(f".{log.name}.{mark}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise IadError(f"{folder}: another `iad watch` with this log is at work there; end it first") from None
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
