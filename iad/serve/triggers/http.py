"""Frames asked for over HTTP: POST /trigger, answered with the verdict. Only programs of this computer are heard."""

from __future__ import annotations

import json
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from iad.errors import IadError
from iad.serve.entries import Entry
from iad.serve.triggers.shots import Asked, Shot

HERE = "127.0.0.1"
ANSWER_SECONDS, PATIENCE_SECONDS = 60.0, 10.0
LONGEST_BODY = 4096


class HttpTrigger(Asked):
    """Listens at this computer's own address.

    Args:
        port: where to listen; 0: a free one.

    Raises:
        IadError: if it is taken.

    Attributes:
        port: where it listens.
    """

    def __init__(self, port: int) -> None:
        super().__init__()
        try:
            self._server = _Server((HERE, port), _Handler)
        except OSError as error:
            raise IadError(
                f"--trigger http:{port}: cannot listen there ({error.strerror}); name another port"
            ) from None
        self._server.trigger = self
        self.port = self._server.server_port
        Thread(target=self._server.serve_forever, name="trigger", daemon=True).start()

    def close(self) -> None:
        """As `iad.serve.triggers.shots.Trigger`."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    trigger: Asked

    def handle_error(self, *_: Any) -> None:
        """A caller that hangs up is no fault of ours."""


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE_SECONDS  # for a sender that stops in the middle

    def do_POST(self) -> None:  # as its base calls it
        if self.path != "/trigger":
            return self._answer(404, {"error": "there is POST /trigger here and nothing else"})
        if self.headers.get("Origin"):  # a browser says it with every POST
            return self._answer(403, {"error": "asked by a page; call the trigger from a program"})
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > LONGEST_BODY:
            return self._answer(413, {"error": "the trigger takes no content"})
        self.rfile.read(int(length))
        verdict: Future[Entry] = Future()
        if not self.server.trigger.ask(Shot(answered=verdict.set_result)):  # type: ignore[attr-defined]
            return self._answer(429, {"error": "too many frames are waiting; ask again later"}, **{"Retry-After": "1"})
        try:
            return self._answer(200, verdict.result(ANSWER_SECONDS).record())
        except TimeoutError:
            return self._answer(504, {"error": f"no verdict within {ANSWER_SECONDS:g} seconds; it will be in the log"})

    def do_GET(self) -> None:
        self._answer(405 if self.path == "/trigger" else 404, {"error": "there is POST /trigger here and nothing else"})

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, content: dict[str, Any], **headers: str) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
