"""What is asked of a request before anybody looks at it: its sender's key, its size, its patience, its origin."""

from __future__ import annotations

import asyncio
import hmac
import json
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.requests import ClientDisconnect

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = ("/healthz", "/readyz")  # paths that need no key: they tell nothing
LONGEST_ID = 64
HEAD_BYTES = 2**16  # of a request's headers together
HEAD_TOO_LONG = f"more than {HEAD_BYTES // 2**10} KiB of headers; send fewer or shorter ones"
FAULT = "something went wrong here; the server's log says what"


class RefusedError(Exception):
    """An answer in place of what was asked: a status and one sentence."""

    def __init__(self, status: int, error: str, **headers: str) -> None:
        super().__init__(error)
        self.status, self.error, self.headers = status, error, headers


@dataclass(frozen=True)
class Limits:
    """What a request may cost.

    Attributes:
        key: that a sender has to show, as `Authorization: Bearer KEY` or `X-API-Key: KEY`; empty: none.
        bytes: of its body, at most.
        seconds: that a sender may pause while sending it.
    """

    key: str = ""
    bytes: int = 2**26
    seconds: float = 20.0


class Gate:
    """The outermost layer of the server: refuses, numbers and logs requests.

    Every answer has the header `X-Request-Id`: that of the request, if it has a decent one, or a new one. Each request
    is one JSON line on standard error; no key and no picture is ever in it.

    Args:
        app: what answers.
        limits: of each request.
    """

    def __init__(self, app: App, limits: Limits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        long = sum(len(name) + len(value) for name, value in scope["headers"]) > HEAD_BYTES
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        answer = _Answer(send, _request_id(headers))
        began = time.monotonic()
        try:
            if long:
                raise RefusedError(431, HEAD_TOO_LONG, Connection="close")
            self._require(scope["path"], headers)
            await self.app(scope, _Counted(receive, self.limits).receive, answer.send)
        except RefusedError as refusal:
            if not answer.status:
                await answer.refuse(refusal)
        except ClientDisconnect:
            answer.status = answer.status or 499  # as other servers call it: nobody is there to hear more
        except Exception as error:  # noqa: BLE001  # the sender gets a sentence, the log the rest
            _write({"id": answer.id, "error": f"{type(error).__name__}: {error}"})
            if not answer.status:
                await answer.refuse(RefusedError(500, FAULT))
        finally:
            _write({
                "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "id": answer.id,
                "method": scope["method"], "path": scope["path"], "status": answer.status,
                "seconds": round(time.monotonic() - began, 4),
            })  # fmt: skip

    def _require(self, path: str, headers: dict[str, str]) -> None:
        limits = self.limits
        scheme, _, told = headers.get("authorization", "").partition(" ")
        shown = headers.get("x-api-key") or (told if scheme.lower() == "bearer" else "")
        if limits.key and path not in OPEN and not hmac.compare_digest(shown.encode("latin-1"), limits.key.encode()):
            raise RefusedError(401, "no key, or a wrong one; send it as 'Authorization: Bearer KEY'")
        origin = headers.get("origin", "")
        if origin and origin.partition("://")[2] != headers.get("host", ""):
            raise RefusedError(403, "asked by the page of another site; call the server from its own page or a program")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > limits.bytes:
            raise _too_large(limits)


class _Counted:
    """The body of a request, as long as it is no larger and no slower than allowed."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive, self._limits, self._got = receive, limits, 0
        self._more = True

    async def receive(self) -> Message:
        if not self._more:
            return await self._receive()  # waits for the end of the connection
        try:
            message = await asyncio.wait_for(self._receive(), self._limits.seconds)
        except TimeoutError:
            text = f"nothing more came for {self._limits.seconds:g} seconds; send the whole request"
            raise RefusedError(408, text, Connection="close") from None
        self._got += len(message.get("body", b""))
        self._more = bool(message.get("more_body", False))
        if self._got > self._limits.bytes:
            raise _too_large(self._limits)
        return message


class _Answer:
    """Sends an answer with its id, and remembers its status."""

    def __init__(self, send: Send, number: str) -> None:
        self._send, self.id, self.status = send, number, 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", []), (b"x-request-id", self.id.encode())]
        await self._send(message)

    async def refuse(self, refusal: RefusedError) -> None:
        body = json.dumps({"error": refusal.error}).encode()
        given = {"content-type": "application/json", "content-length": str(len(body)), **refusal.headers}
        headers = [(name.lower().replace("_", "-").encode(), value.encode()) for name, value in given.items()]
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _too_large(limits: Limits) -> RefusedError:
    text = f"more than {limits.bytes / 2**20:g} MiB in one request; send fewer or smaller pictures"
    return RefusedError(413, text, Connection="close")


def _request_id(headers: dict[str, str]) -> str:
    given = headers.get("x-request-id", "")
    decent = 0 < len(given) <= LONGEST_ID and given.isascii() and all(c.isalnum() or c in "-_." for c in given)
    return given if decent else uuid.uuid4().hex


def _write(record: dict[str, Any]) -> None:
    sys.stderr.write(json.dumps(record) + "\n")
    sys.stderr.flush()
