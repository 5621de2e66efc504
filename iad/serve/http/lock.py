"""Who may come in: whoever shows the server's key, or the cookie that the page's form gave for it."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping

from starlette.requests import cookie_parser


class Lock:
    """Lets in whoever shows the key, or the ticket that a browser got for it.

    A ticket is drawn anew with each start of the server, and tells nothing of the key.

    Args:
        key: that has to be shown; empty: everybody is let in.

    Attributes:
        cookie: name of the cookie that holds a ticket; servers on other ports of this computer have others.
        ticket: its value.

    >>> lock = Lock("a long secret")
    >>> lock.admits({"x-api-key": "a long secret"}), lock.admits({"cookie": f"{lock.cookie}={lock.ticket}"})
    (True, True)
    >>> lock.admits({}), lock.admits({"authorization": "Bearer another"}), lock.is_key(b"another")
    (False, False, False)
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self.cookie, self.ticket = f"iad-{secrets.token_hex(4)}", secrets.token_urlsafe(32)

    @property
    def is_open(self) -> bool:
        """Whether no key is asked for."""
        return not self._key

    def is_key(self, shown: bytes) -> bool:
        """Whether this is the key; takes as long for a wrong one as for a nearly right one."""
        return hmac.compare_digest(shown, self._key)

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Whether a request may pass.

        Args:
            headers: of the request, by their names in small letters; decoded from Latin-1.
        """
        scheme, _, told = headers.get("authorization", "").partition(" ")
        shown = headers.get("x-api-key") or (told if scheme.lower() == "bearer" else "")
        ticket = cookie_parser(headers.get("cookie", "")).get(self.cookie, "")
        return (
            self.is_open
            or self.is_key(shown.encode("latin-1"))
            or hmac.compare_digest(ticket.encode("utf-8", "replace"), self.ticket.encode())
        )
