"""`iad serve` from its first step to its last."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import uvicorn
from starlette.responses import PlainTextResponse

from iad.errors import IadError
from iad.progress import tell
from iad.serve.drift.keeping import reference_of
from iad.serve.drift.lookout import Lookout
from iad.serve.drift.monitor import Monitor
from iad.serve.http.app import Page, build_app
from iad.serve.http.intake import Intake
from iad.serve.http.limits import App, Limits, Receive, Scope, Send
from iad.serve.http.lock import Lock
from iad.serve.http.patience import BUFFER_BYTES, Patient
from iad.serve.http.renewing import Renewer
from iad.serve.http.station import Station
from iad.serve.log import VerdictLog
from iad.serve.page import MISSING
from iad.serve.page.desk import Desk
from iad.serve.page.keepsake import Keepsake
from iad.serve.page.shelf import Shelf
from iad.serve.running.loop import asked_to_end
from iad.serve.shadow import Shadow
from iad.serve.swapping import BundleFile, open_bundle
from iad.words import printable

MOST_CONNECTIONS = 512  # more are answered by 503 at once
LONGEST_MESSAGE = 2**20  # bytes, of the page to the server over its websocket; pictures come by POST
BACKLOG = 1024  # connections that may wait to be accepted
GRACE_SECONDS = 30  # for what was accepted, after a signal to end


def host_bundles(
    bundles: Sequence[Path], log: Path, *, host: str, port: int, key: str, most_waiting: int,
    shadows: Sequence[str], alarm_rate: float, defects: float, weights: str, device: str, page: bool = True,
    pictures: Sequence[Path] = (),
) -> None:  # fmt: skip
    """Serve bundles until a signal.

    Args:
        bundles: files; each is called by its name without suffix.
        log: file of the verdict log.
        host: where to listen.
        port: where to listen; 0: a free one.
        key: that senders have to show; empty: none.
        most_waiting: pictures of a bundle that may wait.
        shadows: files of bundles that judge beside, each as NAME=FILE; the name may be left out of one bundle's.
        alarm_rate: as in `iad.serve.drift.keeping.Run`.
        defects: as in `iad.serve.drift.keeping.Run`.
        weights: as in `iad.bundles.predictor.Predictor`.
        device: as in `iad.bundles.predictor.Predictor`.
        page: whether people may use the inspection page.
        pictures: folders whose pictures it may show and judge.

    Raises:
        IadError: if two bundles have one name, one cannot be loaded, the address is taken, or there is no such folder.
    """
    keepsake, shelf = Keepsake(), Shelf(pictures)
    names = [path.stem for path in bundles]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise IadError(f"two bundles are called '{twice}'; rename one of the files")
    with ExitStack() as stack:
        listening = stack.enter_context(_listening(host, port))
        kept = stack.enter_context(VerdictLog(log))
        opened = partial(open_bundle, warn=lambda line: tell(f"warning: {line}"), device=device, weights=weights)
        work = {path.stem: BundleFile(path, opened, tell) for path in bundles}
        beside = {name: opened(path) for name, path in _shadows(shadows, names).items()}
        stations = {}
        for name, one in work.items():
            shadow = Shadow(*beside[name], kept, most=most_waiting) if name in beside else None
            if shadow is not None:
                stack.callback(shadow.close)  # after its station, before the log
            keep = keepsake.add if page else None
            stations[name] = Station(
                name, one.inspector, one.sha256, kept, most=most_waiting, shadow=shadow, keep=keep
            )  # fmt: skip
            stack.callback(stations[name].close)  # before the log is closed
        tested = partial(_tested, kept, alarm_rate, defects)
        lookout = Lookout({name: tested(one) for name, one in work.items()}, tell)
        renewer = Renewer(work, stations, lookout, tested)
        for follower in (lookout, renewer):
            stack.callback(follower.stop)
            follower.start()
        front = _page(log=kept, lookout=lookout, keepsake=keepsake, shelf=shelf) if page else None
        config = uvicorn.Config(
            build_app(stations, Limits(key=key), lookout, front), log_config=None, access_log=False,
            server_header=False, timeout_graceful_shutdown=GRACE_SECONDS, limit_concurrency=MOST_CONNECTIONS,
            ws_max_size=LONGEST_MESSAGE, http=Patient, h11_max_incomplete_event_size=BUFFER_BYTES,
        )  # fmt: skip
        listening.listen(BACKLOG)  # before it is told, so that nobody who hears of it comes too early
        address, number = listening.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        tell(f"serving {', '.join(map(printable, stations))} at http://{shown}:{number}; log {log}")
        with asked_to_end() as asked:  # what uvicorn caught it raises again when all is answered
            _Server(config, asked).run([listening])


class _Server(uvicorn.Server):
    """A server that also ends where a signal came before it looked for signals itself."""

    def __init__(self, config: uvicorn.Config, asked: Event) -> None:
        super().__init__(config)
        self._asked = asked

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As its base."""
        await super().startup(sockets)
        self.should_exit = self.should_exit or self._asked.is_set()


def _page(**has: Any) -> Page:
    """The inspection page, or where it is not installed a line that says how to get it."""
    try:
        from iad.serve.page.front import page_before
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "nicegui":
            raise
        return _without_page
    return partial(page_before, desk=partial(Desk.of, **has))


def _without_page(app: App, intake: Intake, lock: Lock) -> App:  # noqa: ARG001  # as all pages
    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/":
            await PlainTextResponse(MISSING, 404)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return told


def _tested(log: VerdictLog, alarm_rate: float, defects: float, bundle: BundleFile) -> Monitor:
    """The test of a bundle's parts."""
    reference = reference_of(bundle.inspector)
    return Monitor.begin(log, bundle.sha256, reference, alarm_rate=alarm_rate, defects=defects)


def _shadows(given: Sequence[str], names: Sequence[str]) -> dict[str, Path]:
    """Files of shadows by the names of the bundles beside which they judge.

    >>> _shadows(["bolts=new.iad"], ["bolts", "nuts"])["bolts"].name, _shadows(["new.iad"], ["bolts"])["bolts"].name
    ('new.iad', 'new.iad')
    >>> _shadows(["new.iad"], ["bolts", "nuts"])
    Traceback (most recent call last):
    iad.errors.IadError: --shadow new.iad: beside which bundle? give NAME=FILE with one of bolts, nuts
    """
    found: dict[str, Path] = {}
    for one in given:
        name, sign, file = one.partition("=")
        name, file = (name, file) if sign and name in names else (names[0] if len(names) == 1 else "", one)
        if not name or name in found:
            raise IadError(f"--shadow {one}: beside which bundle? give NAME=FILE with one of {', '.join(names)}")
        found[name] = Path(file)
    return found


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        raise IadError(f"--host {host} --port {port}: cannot listen there ({error.strerror}); name others") from None
    return listening
