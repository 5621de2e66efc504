"""`iad serve` from its first step to its last."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import uvicorn

from iad.bundles.bundle import read_bundle
from iad.bundles.predictor import Predictor
from iad.errors import IadError
from iad.progress import tell
from iad.serve.drift.keeping import reference_of
from iad.serve.drift.lookout import Lookout
from iad.serve.drift.monitor import Monitor
from iad.serve.folder.running import asked_to_end
from iad.serve.http.app import build_app
from iad.serve.http.limits import Limits
from iad.serve.http.station import Station
from iad.serve.log import VerdictLog
from iad.words import printable

MOST_CONNECTIONS = 512  # more are answered by 503 at once
BACKLOG = 1024  # connections that may wait to be accepted
GRACE_SECONDS = 30  # for what was accepted, after a signal to end


def host_bundles(
    bundles: Sequence[Path], log: Path, *, host: str, port: int, key: str, most_waiting: int, alarm_rate: float,
    defects: float, weights: str, device: str,
) -> None:  # fmt: skip
    """Serve bundles until a signal.

    Args:
        bundles: files; each is called by its name without suffix.
        log: file of the verdict log.
        host: where to listen.
        port: where to listen; 0: a free one.
        key: that senders have to show; empty: none.
        most_waiting: pictures of a bundle that may wait.
        alarm_rate: as in `iad.serve.drift.keeping.Run`.
        defects: as in `iad.serve.drift.keeping.Run`.
        weights: as in `iad.bundles.predictor.Predictor`.
        device: as in `iad.bundles.predictor.Predictor`.

    Raises:
        IadError: if two bundles have one name, one cannot be loaded, or the address is taken.
    """
    names = [path.stem for path in bundles]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise IadError(f"two bundles are called '{twice}'; rename one of the files")
    with ExitStack() as stack:
        listening = stack.enter_context(_listening(host, port))
        kept = stack.enter_context(VerdictLog(log))
        stations = {}
        for path in bundles:
            found, digest = read_bundle(path)
            inspector = Predictor(found, origin=str(path), device=device, weights=weights)
            inspector.warn = lambda line: tell(f"warning: {line}")
            stations[path.stem] = Station(path.stem, inspector, digest, kept, most=most_waiting)
            stack.callback(stations[path.stem].close)  # before the log is closed
        monitors = {
            name: Monitor.begin(kept, one.sha256, reference_of(one.inspector), alarm_rate=alarm_rate, defects=defects)
            for name, one in stations.items()
        }
        lookout = Lookout(monitors, tell)
        stack.callback(lookout.stop)
        lookout.start()
        config = uvicorn.Config(
            build_app(stations, Limits(key=key), lookout), log_config=None, access_log=False, server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS, limit_concurrency=MOST_CONNECTIONS,
        )  # fmt: skip
        listening.listen(BACKLOG)  # before it is told, so that nobody who hears of it comes too early
        address, number = listening.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        tell(f"serving {', '.join(map(printable, stations))} at http://{shown}:{number}; log {log}")
        with asked_to_end():  # what uvicorn caught it raises again when all is answered
            uvicorn.Server(config).run([listening])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        raise IadError(f"--host {host} --port {port}: cannot listen there ({error.strerror}); name others") from None
    return listening
