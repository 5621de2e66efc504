"""`iad watch`, put together: a folder or a camera, a bundle, a log, and who gets verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from iad.errors import IadError
from iad.serve.entries import Entry
from iad.serve.folder.inbox import Inbox
from iad.serve.folder.watcher import Watcher
from iad.serve.log import VerdictLog
from iad.serve.running.following import Follower
from iad.serve.running.guard import Guard
from iad.serve.running.inspecting import Inspecting
from iad.serve.running.loop import alone, run
from iad.serve.running.sorting import Sorting
from iad.serve.shadow import Shadow
from iad.serve.sinks.choosing import deliveries
from iad.serve.swapping import BundleFile, open_bundle


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where pictures come from: a folder, or a camera.

    Attributes:
        folder: that is watched; None: a camera.
        settle: as `iad.serve.folder.inbox.Inbox`.
        camera: address, as `iad.serve.cameras.plugged.Plugged`; empty: a folder.
        every: seconds from frame to frame.
        trigger: what asks for frames, as `iad.serve.triggers.choosing.trigger_of`.
        opcua: address of the server that a trigger may be on.
    """

    folder: Path | None
    settle: float
    camera: str
    every: float | None
    trigger: str
    opcua: str

    def __post_init__(self) -> None:
        if self.folder is not None and self.camera:
            raise IadError("iad watch: a folder and a camera (--camera); name one of them")
        if self.folder is None and not self.camera:
            raise IadError("iad watch: where do pictures come from? name a folder, or a camera (--camera)")
        if self.folder is not None and (self.trigger or self.every is not None):
            raise IadError("--trigger and --every are of a camera (--camera); a folder is looked at all the time")

    @property
    def name(self) -> str:
        """In lines, without a password in it."""
        if self.folder is not None:
            return str(self.folder)
        from iad.serve.cameras.plugged import name_of

        return name_of(self.camera)


def sorting_of(folders: Mapping[str, Path | None], keep: Path | None, *, copy: bool) -> Sorting:
    """Where pictures go.

    Args:
        folders: by verdict; None: those stay.
        keep: folder with a folder for each verdict that has none; None: there is none.
        copy: as `Sorting`.

    Raises:
        IadError: if there is nowhere to copy to.
    """
    kept = {name: (keep / name if keep else None) if path is None else path for name, path in folders.items()}
    found = Sorting({name: path for name, path in kept.items() if path is not None}, copy=copy)
    if copy and not found.folders:
        raise IadError("--copy without a folder to copy to; name --keep, --passed, --rejected or --unread")
    return found


def watch(
    source: Source, bundle: Path, log: Path, show: Callable[[Entry], None], tell: Callable[[str], None], *,
    sorting: Sorting, receivers: Mapping[str, str], most_rejected: float, shadow: Path | None, alarm_rate: float,
    defects: float, once: bool, weights: str, device: str,
) -> int:  # fmt: skip
    """Inspect what comes until a signal; how many pictures that were.

    Args:
        source: where pictures come from.
        bundle: its file.
        log: file of the verdict log.
        show: called with each verdict.
        tell: called with a line for the person who runs it.
        sorting: where pictures go.
        receivers: who gets verdicts, as `iad.serve.sinks.choosing.deliveries`.
        most_rejected: as `Guard.most`.
        shadow: file of a second bundle that judges beside; None: there is none.
        alarm_rate: as in `iad.serve.drift.keeping.Run`.
        defects: as in `iad.serve.drift.keeping.Run`.
        once: end when all that was there is inspected; of a camera, after one frame.
        weights: as in `iad.bundles.predictor.Predictor`.
        device: as in `iad.bundles.predictor.Predictor`.

    Raises:
        IadError: if something of it cannot be had, or inspecting has to stop.
    """
    if once and source.camera and not source.trigger and source.every is None:
        source = replace(source, every=1.0)  # the first frame is taken at once
    sorting.require_apart(source.folder)
    opened = partial(open_bundle, warn=lambda line: tell(f"warning: {line}"), device=device, weights=weights)
    work = BundleFile(bundle, opened, tell)
    second = None if shadow is None else opened(shadow)
    with VerdictLog(log) as kept, alone(log, source.folder or source.name), ExitStack() as stack:
        watcher = _watcher(source, work, kept, sorting, Guard(most=most_rejected), tell, stack)
        sent = deliveries(kept, tell, **receivers)
        method, threshold = work.inspector.method, work.inspector.threshold
        tell(f"watching {source.name} with {method}: rejected from {threshold:.4f} on; log {log}")
        other = None if second is None else stack.enter_context(closing(Shadow(*second, kept)))
        follower = Follower(work, watcher, tell, alarm_rate, defects, other)
        return run(watcher, show, tell, follower=follower, deliveries=sent, once=once)


def _watcher(
    source: Source, work: BundleFile, log: VerdictLog, sorting: Sorting, guard: Guard, tell: Callable[[str], None],
    stack: ExitStack,
) -> Inspecting:  # fmt: skip
    """What inspects; what it holds open is closed with the stack."""
    if source.folder is not None:
        inbox = Inbox(source.folder, settle=source.settle, outside=list(sorting.folders.values()))
        return Watcher(work.inspector, work.sha256, inbox, log, sorting, guard, tell=tell)
    from iad.serve.cameras.plugged import Plugged
    from iad.serve.cameras.taking import Taker
    from iad.serve.cameras.watcher import CameraWatcher
    from iad.serve.triggers.choosing import trigger_of

    trigger = stack.enter_context(closing(trigger_of(source.trigger, source.every, source.opcua, tell)))
    taker = stack.enter_context(closing(Taker(Plugged(source.camera, tell), trigger)))
    return CameraWatcher(work.inspector, work.sha256, taker, log, sorting, guard)
