"""Connections on which the head of a request never ends: answered with 408, and closed."""

from __future__ import annotations

import asyncio
import json

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEAD_SECONDS = 10.0
WHY = json.dumps({"error": f"the head of the request did not come within {HEAD_SECONDS:g} seconds; send it whole"})
ANSWER = (
    "HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nConnection: close\r\n"
    f"Content-Length: {len(WHY)}\r\n\r\n{WHY}"
)  # fmt: skip


class Patient(AutoHTTPProtocol):  # type: ignore[misc,valid-type]  # one of two classes, as packages are installed
    """A connection of uvicorn with a clock: it runs whenever no request is under way."""

    _alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """As `asyncio.Protocol`."""
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        """As `asyncio.Protocol`."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """As its base."""
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """As `asyncio.Protocol`."""
        self._rest()
        super().connection_lost(exc)

    def _look(self) -> None:
        under_way = self.cycle is not None and not self.cycle.response_complete
        if under_way:
            self._rest()
        elif self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._close)

    def _rest(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None

    def _close(self) -> None:
        if self.transport.is_closing() or self.transport.get_protocol() is not self:  # it became a web socket
            return
        self.transport.write(ANSWER.encode())
        self.transport.close()
