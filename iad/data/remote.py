"""Pictures in object storage: a folder at an fsspec address, listed, and read a picture at a time over the network.

Endpoint and credentials come from where fsspec and its packages look for them: the environment and their own files of
settings. None is printed or kept.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from unicodedata import normalize
from urllib.parse import unquote

from iad.data.tree import is_passed_over
from iad.errors import IadError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

T = TypeVar("T")

THREADS = 32  # requests at once: the wait for each is long, the work short
PAUSES = (0.5, 1.5, 4.5)  # seconds before another try
LONGEST_REASON = 200  # characters
EXTRAS = {"s3": "s3", "s3a": "s3"}  # by scheme, the extra of this package that brings what fsspec needs
WEB = ("http", "https")
SIDE_BY_SIDE = ("memory", "file", "local")  # may be called from several threads, beside all that are asynchronous
NEVER_BETTER = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, ImportError)
REFUSED = (401, 403)
CORRECT = "correct data.folder.address or data.category"
LOOK_AGAIN = "run `dvc repro --force download` to look again, then `dvc repro`"


class RemoteFolder:
    """A folder at an address that fsspec knows; any number of threads may read from it.

    Attributes:
        address: The address, without a slash at its end.

    Example:
        >>> import fsspec
        >>> fsspec.filesystem("memory").pipe("/line/good/1.png", b"abc")
        >>> [(file.image_id, file.size, file()) for file in RemoteFolder("memory://line").files()]
        [('good/1.png', 3, b'abc')]
    """

    def __init__(self, address: str) -> None:
        """Find what reads the address; nothing is asked for yet.

        Raises:
            IadError: if no installed package reads it.
        """
        self.address = address.rstrip("/")
        self._scheme = address.partition("://")[0]
        self._system, self._top = _opened(self.address, self._scheme)
        side_by_side = self._system.async_impl or self._scheme in SIDE_BY_SIDE
        self._turn = nullcontext() if side_by_side else Lock()

    def files(self) -> Iterator[RemoteFile]:
        """Every file in the folder and below, in no order, but for those that a folder on disk would hide.

        Raises:
            IadError: if there is no such folder, it may not be read, or the network fails.
        """
        waiting = [self._top]
        while waiting:
            place = waiting.pop()
            list_it = partial(self._system.ls, place, detail=True)
            for entry in self._tried(list_it, self._told(place), CORRECT):
                name = entry["name"].rstrip("/")
                if name == place:
                    self._check_itself(entry, place)
                elif self._is_hidden(name):
                    continue
                elif entry["type"] == "directory":
                    waiting.append(name)
                else:
                    yield RemoteFile(self, name[len(self._top) + 1 :], entry.get("size"))

    def read(self, key: str) -> bytes:
        """The bytes of one file.

        Args:
            key: Its path below the folder, as the listing told it.

        Raises:
            IadError: if it is not there, may not be read, or the network fails again and again.
        """
        data: bytes = self._tried(
            partial(self._system.cat_file, f"{self._top}/{key}"),
            f"{self.address}/{key}",
            f"put it back, or {LOOK_AGAIN}",
        )
        return data

    def id_of(self, key: str) -> str:
        """The path of a file as a picture's id, written as `iad.data.tree.list_files` does."""
        return normalize("NFC", unquote(key) if self._scheme in WEB else key)

    def _tried(self, work: Callable[[], T], where: str, if_absent: str) -> T:
        pauses = iter(PAUSES)
        while True:
            try:
                with self._turn:
                    return work()
            except Exception as error:  # noqa: BLE001  # each storage has exceptions of its own
                pause = None if _stays(error) else next(pauses, None)
                if pause is None:
                    raise _refusal(error, where, if_absent) from None
            time.sleep(pause)

    def _told(self, place: str) -> str:
        return f"{self.address}{place[len(self._top) :]}"

    def _is_hidden(self, name: str) -> bool:
        last = name.rpartition("/")[2]
        return is_passed_over(last) or (self._scheme in WEB and "?" in last)  # a web server's links that sort its list

    def _check_itself(self, entry: dict[str, Any], place: str) -> None:
        """An entry with the path of the folder: a mark that there is one, and nothing to read; or something odd."""
        if entry["type"] != "directory" and place == self._top and entry.get("size"):
            raise IadError(f"{self._told(place)}: a file; name the folder that holds good and bad, or train and test")
        if entry["type"] == "directory" and self._scheme not in WEB and entry["name"] != place:
            raise IadError(f"{self._told(place)}: holds a folder without a name ('//'); rename what is in it")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file in a folder far away; a call gives its bytes.

    Attributes:
        folder: The folder.
        key: Its path below the folder, as the listing told it.
        size: In bytes; None where the listing does not tell.
    """

    folder: RemoteFolder
    key: str
    size: int | None

    def __call__(self) -> bytes:
        """Its bytes.

        Raises:
            IadError: as `RemoteFolder.read`, and if they are not as many as were listed.
        """
        data = self.folder.read(self.key)
        if self.size is not None and len(data) != self.size:
            raise IadError(f"{self}: {len(data):,} bytes, but {self.size:,} when it was listed; run again")
        return data

    def __str__(self) -> str:
        return f"{self.folder.address}/{self.key}"

    @property
    def image_id(self) -> str:
        """Its path as a picture's id."""
        return self.folder.id_of(self.key)


def _opened(address: str, scheme: str) -> tuple[AbstractFileSystem, str]:
    from fsspec.core import url_to_fs

    try:
        system, top = url_to_fs(address, use_listings_cache=False, **_tuned(scheme))
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        what = f"install the extra, `pip install 'iad[{extra}]'`" if extra else _reason(error)
        raise IadError(f"{address}: no package here reads {scheme}://; {what}") from None
    except ValueError as error:
        raise IadError(f"{address}: not an address that fsspec knows ({_reason(error)}); correct it") from None
    except Exception as error:  # noqa: BLE001  # some connect at once
        raise _refusal(error, address, CORRECT) from None
    return system, top.rstrip("/")


def _tuned(scheme: str) -> dict[str, Any]:
    """As many connections as threads, one request per picture, and no tries below ours; the user's settings win."""
    from fsspec.config import conf

    if scheme not in EXTRAS:
        return {}
    ours = {"max_pool_connections": THREADS, "retries": {"total_max_attempts": 1}}
    # with more, s3fs asks for the size of each file first, to read large ones in parts at once
    return {"max_concurrency": 1, "config_kwargs": ours | conf.get("s3", {}).get("config_kwargs", {})}


def _stays(error: Exception) -> bool:
    """Whether another try would end the same."""
    return isinstance(error, NEVER_BETTER) or "Validation" in type(error).__name__ or _is_about_rights(error)


def _is_about_rights(error: Exception) -> bool:
    status = getattr(error, "status", getattr(error, "code", None))
    return isinstance(error, PermissionError) or status in REFUSED or "Credential" in type(error).__name__


def _refusal(error: Exception, where: str, if_absent: str) -> IadError:
    reason = _reason(error)
    if isinstance(error, FileNotFoundError):
        more = "" if where.endswith(reason.lstrip("/")) else f" ({reason})"
        return IadError(f"{where}: not there{more}; {if_absent}")
    if _is_about_rights(error):
        remedy = "give credentials that may, in the environment or in fsspec's settings"
        return IadError(f"{where}: may not be read ({reason}); {remedy}")
    if isinstance(error, ImportError):
        return IadError(f"{where}: a package is missing ({reason}); install it")
    return IadError(f"{where}: cannot be read ({reason}); check the network and the storage, and run again")


def _reason(error: Exception) -> str:
    """What an exception says, in one line, without what may be secret in an address."""
    words = " ".join(str(error).split()) or type(error).__name__
    words = re.sub(r"//[^/@\s]*@", "//", re.sub(r"\?\S*", "", words))
    return words if len(words) <= LONGEST_REASON else f"{words[:LONGEST_REASON]}..."
