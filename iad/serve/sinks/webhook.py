"""Verdicts sent to a web address: one POST each, signed."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from iad.errors import IadError
from iad.serve.addresses import require_port
from iad.serve.entries import Entry
from iad.serve.sinks.delivery import AwayError, UnwantedError

SECRET = "IAD_WEBHOOK_SECRET"  # noqa: S105  # the name of a variable
TIMEOUT_SECONDS = 10.0
AGAIN = (408, 425, 429)  # answers below 500 that ask for another try


class _NoRedirect(HTTPRedirectHandler):
    """Another address would get a request without the verdict, and its answer would count."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow none."""


OPENER = build_opener(_NoRedirect)


class Webhook:
    """Sends verdicts by POST, one JSON object each.

    The header `X-Iad-Signature` is `sha256=` and the hex HMAC-SHA256 of `TIME.BODY` under the secret, with TIME from
    the header `X-Iad-Time` (seconds since 1970), so that a receiver can tell who sent it, and that it is no old one.

    Args:
        url: http or https.
        secret: shared with the receiver; empty: nothing is signed.

    Raises:
        IadError: if the address is none of the web.

    Attributes:
        name: as in `iad.serve.sinks.delivery.Receiver`.
        target: as there.
        fresh_seconds: as there.
    """

    fresh_seconds: float | None = None

    def __init__(self, url: str, secret: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise IadError(f"--webhook {url}: give an address that begins with http:// or https://")
        require_port("--webhook", url)
        self._url, self._secret = url, secret.encode()
        self.name = f"webhook: {parts.scheme}://{parts.hostname}"  # without a password or a token
        self.target = hashlib.sha256(url.encode()).hexdigest()

    def send(self, entry: Entry) -> None:
        """As `iad.serve.sinks.delivery.Receiver`."""
        body, now = json.dumps(entry.record()).encode(), str(int(time.time()))
        headers = {"Content-Type": "application/json", "X-Iad-Time": now}
        if self._secret:
            signature = hmac.new(self._secret, now.encode() + b"." + body, hashlib.sha256).hexdigest()
            headers["X-Iad-Signature"] = f"sha256={signature}"
        try:
            OPENER.open(Request(self._url, body, headers), timeout=TIMEOUT_SECONDS).close()  # noqa: S310  # http or https
        except HTTPError as error:
            final = error.code < 500 and error.code not in AGAIN
            raise (UnwantedError if final else AwayError)(f"answers {error.code}") from None
        except (URLError, OSError, ValueError, HTTPException) as error:
            raise AwayError(f"cannot be reached ({getattr(error, 'reason', error)})") from None

    def greet(self) -> None:
        """Nothing: each verdict is a request of its own."""

    def close(self) -> None:
        """Nothing."""
