"""A plant's control system, spoken to by OPC UA: a connection with what it may ask for, and what goes wrong with it.

User and password are those of the variables `IAD_OPCUA_USER` and `IAD_OPCUA_PASSWORD`. `IAD_OPCUA_SECURITY` says how
the connection is signed and encrypted: POLICY,MODE,CERTIFICATE,KEY, as Basic256Sha256,SignAndEncrypt,line.der,line.pem.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from asyncua import Client, ua
from asyncua.sync import ThreadLoop

from iad.errors import IadError
from iad.serve.addresses import require_port
from iad.serve.sinks.delivery import AwayError

logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # what goes wrong is told here, in one line

T = TypeVar("T")
USER, PASSWORD, SECURITY = "IAD_OPCUA_USER", "IAD_OPCUA_PASSWORD", "IAD_OPCUA_SECURITY"
ANSWER_SECONDS = 4.0


class Link:
    """A connection to a server, made when it is needed, and anew after it broke.

    Args:
        url: opc.tcp://host:port, with a path if the server has one.

    Raises:
        IadError: if it is no such address, or holds a password, which others on this computer could see.

    Attributes:
        url: as given.
    """

    def __init__(self, url: str) -> None:
        require_port("--opcua", url)
        try:
            parts = urlsplit(url)
            valid = parts.scheme == "opc.tcp" and bool(parts.hostname)
        except ValueError:
            valid = False
        if not valid:
            raise IadError("--opcua: give the address of a server as opc.tcp://host:4840")
        if parts.username is not None:
            raise IadError(f"--opcua: others see a command; put the user into {USER}, the password into {PASSWORD}")
        self.url = url
        self._loop: ThreadLoop | None = None
        self._client: Client | None = None

    def do(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        """What a piece of work with the server gives.

        Args:
            work: gets the connection.

        Raises:
            AwayError: if the server cannot be reached or refuses.
        """
        try:
            return self._post(self._worked(work))
        except ua.UaError as error:
            self._drop()
            raise AwayError(f"refuses ({_words(error)})") from None
        except (OSError, TimeoutError, CancelledError) as error:
            self._drop()
            raise AwayError(f"cannot be reached ({_words(error)})") from None

    def close(self) -> None:
        """Take leave."""
        self._drop()
        if self._loop is not None:
            self._loop.stop()
            self._loop = None

    @property
    def stands(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._client is not None

    async def _worked(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        if self._client is None:
            self._client = await self._connected()
        return await work(self._client)

    async def _connected(self) -> Client:
        client = Client(self.url, timeout=ANSWER_SECONDS)
        client.name = client.description = "iad"
        if user := os.environ.get(USER):
            client.set_user(user)
            client.set_password(os.environ.get(PASSWORD, ""))
        if security := os.environ.get(SECURITY):
            _require_files(security)
            await client.set_security_string(security)
        await client.connect()
        return client

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                self._post(client.disconnect())
            except (ua.UaError, OSError, TimeoutError, CancelledError):
                return  # it was gone already

    def _post(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            self._loop = ThreadLoop(timeout=5 * ANSWER_SECONDS)
            self._loop.daemon = True  # it holds up no end
            self._loop.start()
        found: T = self._loop.post(work)
        return found


def _require_files(security: str) -> None:
    for name in security.split(",")[2:]:
        if not Path(name.partition("::")[0]).is_file():
            raise AwayError(f"cannot be asked: {SECURITY} names no file {name.partition('::')[0]}")


def _words(error: BaseException) -> str:
    """What is wrong, in one line."""
    if isinstance(error, ua.UaStatusCodeError):
        return type(error).__name__  # as BadUserAccessDenied: a controller's people look for that word
    if isinstance(error, TimeoutError | CancelledError):
        return f"no answer within {ANSWER_SECONDS:g} seconds"
    number = getattr(error, "errno", None)
    known = os.strerror(number) if number and number > 0 else getattr(error, "strerror", None)
    return known or " ".join(str(error).split()) or type(error).__name__
