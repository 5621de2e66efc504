"""Verdicts sent to a web address as they come: signed, tried again until they arrive, never in the way of the line.

They are read from the log, which also knows how far a receiver has come; so nothing is lost when the receiver or this
program is away for a while, and a receiver may get a verdict twice (its `number` tells).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from http.client import HTTPException
from threading import Event, Thread
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from iad.errors import IadError
from iad.serve.entries import Choice, Entry
from iad.serve.log import VerdictLog

TIMEOUT_SECONDS, LONGEST_WAIT_SECONDS, IDLE_SECONDS = 10.0, 60.0, 0.2
TRIES_IF_REFUSED = 5  # of a verdict that the receiver does not want, before the next one has its turn
ENDING_SECONDS = 1.0  # that the end waits for a request on its way
AGAIN = (408, 425, 429)  # answers below 500 that ask for another try


class _NoRedirect(HTTPRedirectHandler):
    """Another address would get a request without the verdict, and its answer would count."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow none."""


OPENER = build_opener(_NoRedirect)


class Webhook:
    """Sends verdicts by POST, one JSON object each, in a thread of its own.

    The header `X-Iad-Signature` is `sha256=` and the hex HMAC-SHA256 of `TIME.BODY` under the secret, with TIME from
    the header `X-Iad-Time` (seconds since 1970), so that a receiver can tell who sent it, and that it is no old one.

    Args:
        url: http or https; a new address gets the verdicts from now on.
        secret: shared with the receiver; empty: nothing is signed.
        log: whose verdicts are sent.
        tell: called with a line where the receiver cannot be reached or refuses.

    Raises:
        IadError: if the address is none of the web.
    """

    def __init__(self, url: str, secret: str, log: VerdictLog, tell: Callable[[str], None]) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise IadError(f"--webhook {url}: give an address that begins with http:// or https://")
        self.url, self.log, self._secret, self._tell = url, log, secret.encode(), tell
        self._shown = f"{parts.scheme}://{parts.hostname}"  # without a password or a token
        self._target = hashlib.sha256(url.encode()).hexdigest()
        self._stop = Event()
        self._thread = Thread(target=self._run, name="webhook", daemon=True)
        if log.sent(self._target) is None:
            log.mark_sent(self._target, log.last_number())

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """End when everything is sent, or after some seconds; the rest is sent after the next start."""
        until = time.monotonic() + seconds
        while self._thread.is_alive() and self._left() and time.monotonic() < until:
            time.sleep(0.05)
        self._stop.set()
        self._thread.join(ENDING_SECONDS)

    def _left(self) -> bool:
        return (self.log.sent(self._target) or 0) < self.log.last_number()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                for entry in self.log.entries(Choice(after=self.log.sent(self._target) or 0)):
                    if not self._deliver(entry):
                        return
                    self.log.mark_sent(self._target, entry.number)
            except IadError as refusal:  # of the log; the line tells the same
                self._tell(f"webhook: {refusal}")
            self._stop.wait(IDLE_SECONDS)

    def _deliver(self, entry: Entry) -> bool:
        """Send one verdict, however long it takes; whether there was time for it before the end."""
        tries = refused = 0
        while not self._stop.is_set():
            why, final = self._post(entry)
            refused += final
            if not why or refused == TRIES_IF_REFUSED:
                if why:
                    self._tell(f"webhook: {self._shown} does not take verdict {entry.number} ({why}); it is left out")
                return True
            if tries == 0:
                self._tell(f"webhook: {self._shown}: {why}; trying again until it answers")
            tries += 1
            self._stop.wait(min(LONGEST_WAIT_SECONDS, 2.0 ** min(tries, 6) / 2))
        return False

    def _post(self, entry: Entry) -> tuple[str, bool]:
        """Why the receiver did not take it, empty if it did; and whether another try is in vain."""
        body, now = json.dumps(entry.record()).encode(), str(int(time.time()))
        headers = {"Content-Type": "application/json", "X-Iad-Time": now}
        if self._secret:
            signature = hmac.new(self._secret, now.encode() + b"." + body, hashlib.sha256).hexdigest()
            headers["X-Iad-Signature"] = f"sha256={signature}"
        try:
            with OPENER.open(Request(self.url, body, headers), timeout=TIMEOUT_SECONDS):  # noqa: S310  # http or https
                return "", False
        except HTTPError as error:
            return f"answers {error.code}", error.code < 500 and error.code not in AGAIN
        except (URLError, OSError, ValueError, HTTPException) as error:
            return f"cannot be reached ({getattr(error, 'reason', error)})", False
