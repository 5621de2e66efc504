"""Addresses that people write on a command line."""

from __future__ import annotations

from urllib.parse import urlsplit

from iad.errors import IadError

PORTS = range(1, 65536)


def require_port(option: str, url: str) -> None:
    """Refuse an address with a port that none can have; one without a port is taken.

    The address is not told, since there may be a password in it.

    Raises:
        IadError: naming the option.

    >>> require_port("--mqtt", "mqtt://plant.example/line")
    >>> require_port("--mqtt", "mqtt://plant.example:99999/line")
    Traceback (most recent call last):
    iad.errors.IadError: --mqtt: the port of the address is no number from 1 to 65535; give one, or leave it out
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # no address at all, which is told elsewhere
        return
    try:
        valid = parts.port is None or parts.port in PORTS
    except ValueError:
        valid = False
    if not valid:
        raise IadError(f"{option}: the port of the address is no number from 1 to 65535; give one, or leave it out")
