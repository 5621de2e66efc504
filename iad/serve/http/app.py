"""The server: pictures in, verdicts out, over HTTP; `iad.serve.http.limits` stands before it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Protocol

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from iad.data.formats import FORMAT_OF_SUFFIX, SIGNATURES, UNREAD_SUFFIXES
from iad.serve.drift.lookout import Lookout
from iad.serve.entries import Entry
from iad.serve.http.intake import Intake
from iad.serve.http.limits import FAULT, OPEN, App, Gate, Limits, RefusedError
from iad.serve.http.lock import Lock
from iad.serve.http.meter import Meter
from iad.serve.http.station import SentPicture, Station, sent

logging.getLogger("python_multipart").addHandler(logging.NullHandler())  # the sender is told

MOST_PICTURES = 64  # in one request
ENTRANCES = ("/", "/page/key", "/page/assets/page.css")  # of the page, where it asks for the key itself
ANSWER_SECONDS = 60.0
PICTURE = {"schema": {"type": "string", "format": "binary"}}
FORM = {"schema": {"type": "object", "properties": {"files": {"type": "array", "items": PICTURE["schema"]}}}}
BODIES = {"multipart/form-data": FORM, "image/*": PICTURE, "application/octet-stream": PICTURE}  # for the OpenAPI page
PHRASES = {  # in place of those of the standard
    "Not Found": "nothing is at this address; see /openapi.json",
    "Method Not Allowed": "this address is asked in another way; see /openapi.json",
}
SUFFIX = {"PNG": ".png", "JPEG": ".jpg", "BMP": ".bmp", "TIFF": ".tif", "WEBP": ".webp"}


class Page(Protocol):
    """Puts the inspection page before the server's own addresses."""

    def __call__(self, app: App, intake: Intake, lock: Lock) -> App:
        """The server with the page.

        Args:
            app: the server.
            intake: where pictures of the page are judged too.
            lock: of the server.
        """


def build_app(
    stations: Mapping[str, Station], limits: Limits | None = None, lookout: Lookout | None = None,
    page: Page | None = None,
) -> App:  # fmt: skip
    """The server as an ASGI application.

    Args:
        stations: the bundles by the names that senders use; the first is taken where none is named and there is one.
        limits: of each request.
        lookout: tests of the parts; None: there are none.
        page: for people; None: there is none.
    """
    app = FastAPI(title="iad", docs_url=None, redoc_url=None, description=__doc__)  # pages of other hosts' scripts
    meter = Meter(stations, lookout)
    intake = Intake(stations, meter)

    @app.post("/v1/predict", openapi_extra={"requestBody": {"required": True, "content": BODIES}})
    async def predict(
        request: Request,
        bundle: str = Query("", description="Name of a bundle; may be left out if there is one."),
        name: str = Query("", description="Of a picture that is the body itself."),  # noqa: ARG001  # for the OpenAPI page
    ) -> JSONResponse:
        """Verdicts on one or many pictures: parts of a form (multipart/form-data), or one as the body itself."""
        station = intake.station(bundle)
        entries = await intake.judge(station, await _pictures(request))
        return JSONResponse(_answer(station, entries), 200 if any(not one.error for one in entries) else 422)

    _add_status(app, stations, meter)
    for kind in (HTTPException, RequestValidationError, RefusedError, Exception):
        app.add_exception_handler(kind, _refused)
    limits = limits or Limits()
    lock = Lock(limits.key)
    if page is None:
        return Gate(app, limits, lock)
    return Gate(page(app, intake, lock), limits, lock, {*OPEN, *ENTRANCES})


def _add_status(app: FastAPI, stations: Mapping[str, Station], meter: Meter) -> None:
    """Addresses that tell how the server is, and what it has."""

    @app.get("/v1/bundles")
    async def bundles() -> list[dict[str, Any]]:
        """The bundles at work."""
        return [_described(one) for one in stations.values()]

    @app.head("/healthz", include_in_schema=False)  # balancers may ask for the head alone
    @app.get("/healthz")
    async def healthz() -> PlainTextResponse:
        """Whether the process answers."""
        return PlainTextResponse("ok\n")

    @app.head("/readyz", include_in_schema=False)  # balancers may ask for the head alone
    @app.get("/readyz")
    async def readyz() -> PlainTextResponse:
        """Whether pictures would be inspected."""
        if all(one.is_alive for one in stations.values()):
            return PlainTextResponse("ready\n")
        raise RefusedError(503, "a bundle has stopped; start the server again")

    @app.get("/metrics")
    async def metrics() -> Response:
        """Counts for Prometheus."""
        return Response(meter.text(), media_type=CONTENT_TYPE_LATEST)


async def _pictures(request: Request) -> list[SentPicture]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        found = await _parts(request)
    elif kind.startswith("image/") or kind == "application/octet-stream":
        data = await request.body()
        found = [sent(_named(request.query_params.get("name", ""), data), data)] if data else []
    else:
        raise RefusedError(415, "send pictures as multipart/form-data, or one as image/png, image/jpeg, ...")
    if not found:
        raise RefusedError(400, "no picture in the request")
    return found


async def _parts(request: Request) -> list[SentPicture]:
    async with request.form(max_files=MOST_PICTURES, max_fields=MOST_PICTURES) as form:
        files = [one for _, one in form.multi_items() if isinstance(one, UploadFile)]
        read = [(one.filename or "", await one.read()) for one in files]
    return [sent(_named(name, data), data) for name, data in read]


def _named(name: str, data: bytes) -> str:
    r"""A name that ends as pictures' names do; another one of a picture, as a serial number, gets the content's suffix.

    >>> _named("4711", b"\x89PNG\r\n\x1a\n ..."), _named("note.txt", b"Dear all"), _named("", b"Dear all")
    ('4711.png', 'note.txt', 'picture.png')
    """
    if PurePosixPath(name).suffix.lower() in FORMAT_OF_SUFFIX.keys() | UNREAD_SUFFIXES:
        return name
    kind = next((kind for start, kind in SIGNATURES.items() if data.startswith(start)), "")
    suffix = SUFFIX.get("WEBP" if data[8:12] == b"WEBP" else kind, "")
    return f"{name}{suffix}" if name else f"picture{suffix or '.png'}"


def _answer(station: Station, entries: Sequence[Entry]) -> dict[str, Any]:
    """Verdicts, and of which bundle; where it was replaced in between, each names its own."""
    shown = ("image_id", "score", "p_value", "rejected", "error", "known", "sha256", "seconds", "time", "number")
    verdicts = [{"verdict": one.verdict} | {name: getattr(one, name) for name in shown} for one in entries]
    first = entries[0]
    if any(one.bundle != first.bundle for one in entries):
        verdicts = [
            found | {"bundle_sha256": one.bundle, "threshold": one.threshold}
            for found, one in zip(verdicts, entries, strict=True)
        ]
    head = {"bundle": station.name, "sha256": first.bundle, "method": first.method}
    return {**head, "threshold": first.threshold, "verdicts": verdicts}


def _described(station: Station) -> dict[str, Any]:
    bundle = station.inspector.bundle
    return {
        "name": station.name, "sha256": station.sha256, "method": bundle.method, "threshold": bundle.threshold.value,
        "promise": bundle.threshold.guarantee, "image_size": bundle.preprocess.image_size.plain,
        "good_pictures": len(bundle.pictures),
    }  # fmt: skip


async def _refused(_: Request, error: Exception) -> JSONResponse:
    """Every refusal in the same form: one sentence under `error`."""
    if isinstance(error, RefusedError):
        return JSONResponse({"error": error.error}, error.status, error.headers)
    if isinstance(error, HTTPException):
        said = PHRASES.get(str(error.detail), str(error.detail))
        return JSONResponse({"error": said}, error.status_code, error.headers)
    if not isinstance(error, RequestValidationError):  # the gate writes what it was
        return JSONResponse({"error": FAULT}, 500)
    return JSONResponse({"error": "the address has a part that is not understood; see /openapi.json"}, 400)
