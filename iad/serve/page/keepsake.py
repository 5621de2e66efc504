"""The last pictures that were sent: held in memory for a while, so that people can look at them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from iad.serve.http.station import SentPicture

MOST_BYTES = 2**27


class Keepsake:
    """Pictures by their SHA-256, as many as fit; the oldest go first. Several threads may share it.

    Args:
        most_bytes: of all of them.

    >>> from iad.serve.http.station import sent
    >>> kept = Keepsake(most_bytes=5)
    >>> kept.add([one := sent("a.png", b"abc"), other := sent("b.png", b"de"), sent("c.png", b"f")])
    >>> kept.find(one.sha256) is None, kept.find(other.sha256)
    (True, b'de')
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._held, self._lock = most_bytes, 0, Lock()
        self._data: OrderedDict[str, bytes] = OrderedDict()

    def add(self, pictures: Sequence[SentPicture]) -> None:
        """Hold these too; a file that the log names need not be held."""
        for one in pictures:
            if not one.origin and len(one.data) <= self._most:
                self._add(one.sha256, one.data)

    def find(self, sha256: str) -> bytes | None:
        """The bytes of a picture; None if they are gone."""
        with self._lock:
            return self._data.get(sha256)

    def _add(self, sha256: str, data: bytes) -> None:
        with self._lock:
            self._held += len(data) - len(self._data.pop(sha256, b""))
            self._data[sha256] = data
            while self._held > self._most:
                self._held -= len(self._data.popitem(last=False)[1])
