"""The page before the server's own addresses: what is asked for goes to one of both."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Response
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, RedirectResponse
from nicegui import ui
from starlette.datastructures import MutableHeaders
from starlette.requests import Request

from iad.errors import IadError
from iad.serve.http.intake import Intake
from iad.serve.http.limits import App, Message, Receive, RefusedError, Scope, Send, headers_of
from iad.serve.http.lock import Lock
from iad.serve.page import door
from iad.serve.page.desk import Desk
from iad.serve.page.screen.main import Screen

Number = Annotated[int, PathParameter(ge=1, le=2**63 - 1)]  # of a verdict, as SQLite holds it
ASSETS = Path(__file__).parent / "assets"
OURS = ("/page/", "/_nicegui", "/favicon.ico")  # beginnings of the page's addresses, beside "/"
RECONNECT_SECONDS = 30.0  # for a phone that slept
HEADERS = {
    # scripts are NiceGUI's: in the page itself, and made from templates; nothing comes from, or goes to, another host
    "content-security-policy": (
        "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self'; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self)",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def page_before(app: App, intake: Intake, lock: Lock, *, desk: Callable[[Intake], Desk]) -> App:
    """The server with the page; at most one in a process, since NiceGUI has one state in each.

    Args:
        app: the server.
        intake: where pictures are judged.
        lock: of the server.
        desk: makes what the page works with.
    """
    warnings.filterwarnings("ignore", category=FutureWarning, module="nicegui")  # of what others keep in memory
    made = desk(intake)
    inner = FastAPI(openapi_url=None)
    _add_views(inner, made)

    @ui.page("/")
    def home() -> None:
        Screen(made).build()

    ui.run_with(
        inner, title="Inspection", favicon=ICON, dark=None, tailwind=False, reconnect_timeout=RECONNECT_SECONDS,
        message_history_length=200, show_welcome_message=False,
    )  # fmt: skip
    return Front(app, inner, lock)


class Front:
    """Hands requests to the page or to the server.

    Args:
        server: has all addresses that are not the page's.
        page: has these.
        lock: of the server.
    """

    def __init__(self, server: App, page: App, lock: Lock) -> None:
        self._server, self._page, self._lock = server, page, lock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "lifespan":
            await self._page(scope, receive, send)
        elif scope["path"] == "/" or scope["path"].startswith(OURS):
            await self._show(scope, receive, _with_headers(send))
        else:
            await self._server(scope, receive, send)

    async def _show(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, path = headers_of(scope), scope["path"]
        if self._lock.is_open and not _is_here(headers.get("host", "")):
            raise RefusedError(403, "without a key the page is for this computer alone, as localhost; set IAD_API_KEY")
        if scope["type"] == "http" and path == "/page/key" and scope["method"] == "POST":
            await (await door.answer(Request(scope, receive), self._lock))(scope, receive, send)
        elif scope["type"] == "http" and path in ("/", "/page/key") and not self._lock.admits(headers):
            await door.form()(scope, receive, send)
        elif scope["type"] == "http" and path == "/page/key":
            await RedirectResponse("/", 303)(scope, receive, send)
        else:
            await self._page(scope, receive, send)


def _add_views(app: FastAPI, desk: Desk) -> None:
    """Addresses of what is drawn: in threads of their own, since they compute."""

    @app.get("/page/assets/{name}")
    def asset(name: str) -> Response:
        file = next((one for one in ASSETS.iterdir() if one.name == name), None)
        return FileResponse(file, headers={"cache-control": "no-cache"}) if file else Response(status_code=404)

    @app.get("/page/picture/{number}")
    def picture(number: Number) -> Response:
        return _drawn(lambda: desk.views.picture(number), "image/jpeg")

    @app.get("/page/heat/{number}")
    def heat(number: Number) -> Response:
        return _drawn(lambda: desk.views.insight(number).heat, "image/png")

    @app.get("/page/good/{sha256}/{name:path}")
    def good(sha256: str, name: str) -> Response:
        return _drawn(lambda: desk.views.good(name, sha256), "image/jpeg")


def _drawn(draw: Callable[[], bytes], kind: str) -> Response:
    try:
        return Response(draw(), media_type=kind, headers={"cache-control": "private, max-age=3600"})
    except IadError as refusal:
        return Response(str(refusal), 404, media_type="text/plain")


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
        await send(message)

    return sending


def _is_here(host: str) -> bool:
    """Whether a name means this computer, whatever some name server says of others.

    >>> _is_here("127.0.0.1:8000"), _is_here("[::1]:8000"), _is_here("localhost"), _is_here("evil.example:8000")
    (True, True, True, False)
    """
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#2B6CA3"/>'
    '<circle cx="14" cy="14" r="7" fill="none" stroke="#fff" stroke-width="3"/>'
    '<path d="M19.5 19.5 L26 26" stroke="#fff" stroke-width="3.5" stroke-linecap="round"/></svg>'
)
