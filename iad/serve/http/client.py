"""Pictures sent to a server of `iad serve`, and its verdicts."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import numpy as np

from iad.bundles.outputs import require_file
from iad.bundles.verdict import Verdict
from iad.bundles.verdicts import Inspection, find_each, require_kind, write_verdicts
from iad.data.pictures import PictureFile
from iad.errors import IadError
from iad.progress import track
from iad.serve.addresses import require_port
from iad.serve.http.keys import key_in_use

AT_ONCE = 8  # requests, so that the server has pictures to compute together
TIMEOUT_SECONDS = 90.0
TURNED_AWAY = 429


def inspect_there(
    server: str, bundle: str, places: Sequence[Path], *, out: Path | None = None, force: bool = False
) -> Inspection:
    """As `iad.bundles.verdicts.inspect`, by a server; `IAD_API_KEY` is its key.

    Args:
        server: its address, as http://line7:8000.
        bundle: name of a bundle there.
        places: files with pictures, or folders of them.
        out: a table of verdicts.
        force: whether a table that is there already is replaced.

    Raises:
        IadError: if a place is not there, the table cannot be written, or the server cannot be reached or refuses.
    """
    if urlsplit(server).scheme not in ("http", "https"):
        raise IadError(f"--server {server}: give an address that begins with http:// or https://")
    require_port("--server", server)
    found = find_each(places)
    if out is not None:
        require_kind(out)
        require_file(out, inputs=[one.path for one in found], force=force)
    asking = Asking(server.rstrip("/"), bundle, key_in_use())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = pool.map(asking.verdict, [one.file for one in found])
        try:
            told = list(track(answers, f"asking {server}", total=len(found)))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    verdicts = [verdict for verdict, _ in told]
    if out is not None:
        write_verdicts(out, verdicts)
    threshold = next((value for _, value in told if value is not None), float("nan"))
    return Inspection(verdicts, threshold, [], [])


@dataclass(frozen=True)
class Asking:
    """What is said with every request: where, which bundle, which key."""

    server: str
    bundle: str
    key: str

    def verdict(self, file: PictureFile) -> tuple[Verdict, float | None]:
        """A picture's verdict, and the threshold; none of a file that cannot be read here.

        Raises:
            IadError: if the server cannot be reached or refuses.
        """
        try:
            data = file.read()
        except IadError as refusal:
            return Verdict(file.name, file.path, np.nan, np.nan, None, error=str(refusal)), None
        answer = self._posted(data, file.path.name)
        said = answer["verdicts"][0]
        score, p = (np.nan if said[name] is None else float(said[name]) for name in ("score", "p_value"))
        error = said["error"].replace(said["image_id"], str(file.path), 1)
        verdict = Verdict(
            file.name, file.path, score, p, said["rejected"], known=said["known"], error=error, sha256=said["sha256"]
        )
        return verdict, float(answer["threshold"])

    def _posted(self, data: bytes, name: str) -> dict[str, Any]:
        url = f"{self.server}/v1/predict?bundle={quote(self.bundle)}&name={quote(name.encode('utf-8', 'replace'))}"
        headers = {"Content-Type": "application/octet-stream"} | (
            {"X-API-Key": self.key.encode().decode("latin-1")} if self.key else {}
        )
        while True:
            try:
                request = Request(url, data, headers)  # noqa: S310  # http or https
                with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                    told = _json(answer.read())
                if "verdicts" not in told:
                    raise IadError(f"{self.server}: no server of iad answers there; check the address")
                return told
            except HTTPError as error:
                told = _json(error.read())
                if error.code == TURNED_AWAY:
                    time.sleep(float(error.headers.get("Retry-After", "1")))
                    continue
                if "verdicts" in told:  # of a picture that it cannot read
                    return told
                raise IadError(f"{self.server}: answers {error.code}: {told.get('error', error.reason)}") from None
            except (URLError, OSError, HTTPException) as error:
                why = f"cannot be reached ({getattr(error, 'reason', error)})"
                raise IadError(f"{self.server}: {why}; check the address, and whether it runs") from None


def _json(data: bytes) -> dict[str, Any]:
    """An object, empty if it is none: then something else answered."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
