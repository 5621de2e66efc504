"""The form that asks for the server's key, once for each browser; it gives a cookie that scripts cannot read."""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from iad.serve.http.limits import RefusedError
from iad.serve.http.lock import Lock

LONGEST = 4096  # bytes of a form
TRY_AGAIN = "That is not the key. Ask whoever set up this server."


def form(problem: str = "") -> Response:
    """The page with the form.

    Args:
        problem: what was wrong the last time.
    """
    told = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    return HTMLResponse(FORM.replace("<!-- problem -->", told), 401 if problem else 200)


async def answer(request: Request, lock: Lock) -> Response:
    """What a form gets that was filled in: the cookie and the way to the page, or the form again."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST:
            raise RefusedError(413, "a key is not that long")
    shown = parse_qs(body.decode("utf-8", "replace")).get("key", [""])[0]
    if not lock.is_key(shown.encode("utf-8", "replace")):
        return form(TRY_AGAIN)
    found = RedirectResponse("/", 303)
    secure = request.url.scheme == "https"
    found.set_cookie(lock.cookie, lock.ticket, httponly=True, samesite="strict", secure=secure)
    return found


FORM = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>iad: key</title>
<link rel="stylesheet" href="/page/assets/page.css">
<body class="iad-door">
<form class="iad-card" method="post" action="/page/key">
<h1>Inspection</h1>
<!-- problem -->
<label for="key">Key of this server</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<button>Open</button>
</form>
</body>
</html>
"""
