"""Connections on which the head of a request does not end in time, or is too long: answered, and closed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from iad.serve.http.limits import HEAD_BYTES, HEAD_TOO_LONG

HEAD_SECONDS = 10.0
BUFFER_BYTES = 2**20  # that h11 may keep of a head: more than HEAD_BYTES and one read, so that the answer is ours
LINGER_SECONDS = 1.0  # with what still comes thrown away: who closes at once takes the answer back
SLOW = "408 Request Timeout", f"the head of the request did not come within {HEAD_SECONDS:g} seconds; send it whole"
LONG = "431 Request Header Fields Too Large", HEAD_TOO_LONG


class Patience:
    """What a connection of uvicorn, of either kind, gets beside: a clock that runs whenever no request is under way."""

    transport: Any
    cycle: Any
    _alarm: asyncio.TimerHandle | None = None
    _answered = False
    _head = 0  # bytes of a head that has not ended

    def connection_made(self, transport: asyncio.Transport) -> None:
        """As `asyncio.Protocol`."""
        super().connection_made(transport)  # type: ignore[misc]  # of the connection
        self._look()

    def data_received(self, data: bytes) -> None:
        """As `asyncio.Protocol`."""
        if self._answered:
            return
        super().data_received(data)  # type: ignore[misc]
        self._look()
        self._head = 0 if self._alarm is None or self._in_body else self._head + len(data)
        if self._head > HEAD_BYTES:
            self._close(*LONG)

    def on_response_complete(self) -> None:
        """As its base."""
        super().on_response_complete()  # type: ignore[misc]
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """As `asyncio.Protocol`."""
        self._rest()
        super().connection_lost(exc)  # type: ignore[misc]

    @property
    def _in_body(self) -> bool:
        """Whether a body still comes, perhaps of a request that was answered before it was whole."""
        return self.cycle is not None and bool(self.cycle.more_body)

    def _look(self) -> None:
        under_way = self.cycle is not None and not self.cycle.response_complete
        if under_way:
            self._rest()
        elif self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._close, *SLOW)

    def _rest(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None

    def _close(self, status: str, why: str) -> None:
        if (
            self._answered or self.transport.is_closing() or self.transport.get_protocol() is not self
        ):  # it became a web socket
            return
        if self._in_body:
            self.transport.close()
            return
        body = json.dumps({"error": why})
        head = f"Content-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}"
        self._answered = True
        self.transport.write(f"HTTP/1.1 {status}\r\n{head}\r\n\r\n{body}".encode())
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self.transport.close)


class Patient(Patience, AutoHTTPProtocol):  # type: ignore[misc,valid-type]  # one of two classes, as packages are there
    """A connection of uvicorn that is not kept waiting."""
