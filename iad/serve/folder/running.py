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
from iad.serve.drift.lookout import alarm_line
from iad.serve.drift.monitor import Monitor
from iad.serve.entries import Entry
from iad.serve.folder.watcher import Watcher
from iad.serve.folder.webhook import Webhook

EVERY_SECONDS = 0.1  # the folder is looked through so often
AWAY_SECONDS = 2.0  # and so often while it cannot be
SECRET = "IAD_WEBHOOK_SECRET"  # noqa: S105  # the name of a variable
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def run(
    watcher: Watcher, show: Callable[[Entry], None], tell: Callable[[str], None], *, monitor: Monitor | None = None,
    webhook: str = "", once: bool = False,
) -> int:  # fmt: skip
    """Inspect what comes until a signal asks to end; the picture in hand is finished.

    Args:
        watcher: what inspects.
        show: called with each verdict.
        tell: called with a line for the person who runs it.
        monitor: the test of the parts; its alarm is told, and nothing stops.
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
            return _until(end, watcher, _followed(show, tell, monitor), tell, once=once)
        finally:
            if sender is not None:
                sender.stop()


def _until(
    end: Event, watcher: Watcher, show: Callable[[Entry], None], tell: Callable[[str], None], *, once: bool
) -> int:
    inspected, away = 0, False
    while not end.is_set():
        try:
            for entry in watcher.step():
                show(entry)
                inspected += 1
                if end.is_set():
                    break
            away = False
        except OSError as error:
            if not away:
                tell(f"{watcher.inbox.folder}: cannot be looked through ({error.strerror}); waiting for it")
            away = True
        if once and not away and not watcher.inbox.is_waiting:
            break
        end.wait(AWAY_SECONDS if away else EVERY_SECONDS)
    return inspected


def _followed(
    show: Callable[[Entry], None], tell: Callable[[str], None], monitor: Monitor | None
) -> Callable[[Entry], None]:
    """Shows a verdict, then tells an alarm that came with it; one that stands from before is told at once."""
    if monitor is None:
        return show

    name = monitor.run.bundle[:12]

    def look() -> None:
        for alarm in monitor.catch_up():
            tell(alarm_line(name, alarm))

    def both(entry: Entry) -> None:
        show(entry)
        look()

    for alarm in monitor.alarms.values():
        tell(alarm_line(name, alarm))
    look()
    return both


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
