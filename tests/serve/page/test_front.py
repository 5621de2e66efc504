"""Who is let in, from where, and what is where on the server: asked of a running one, without a browser."""

import asyncio
import http.client
import re
import sys
from urllib.parse import urlsplit

import httpx
import pytest

from iad.data.pictures import PictureFile
from tests.serve.page.conftest import KEY, served

pytest.importorskip("nicegui")

SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"


def connected(address, path=SOCKET, **headers):
    """Status of a request for a websocket: 101 if it is opened."""
    place = urlsplit(address)
    asking = http.client.HTTPConnection(place.hostname, place.port, timeout=180)
    given = {"Host": place.netloc, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    given |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **headers}
    asking.putrequest("GET", path, skip_host=True)
    for name, value in given.items():
        asking.putheader(name, value)
    asking.endheaders()
    try:
        return asking.getresponse().status
    finally:
        asking.close()


def cookie(address, key=KEY):
    """The answer to the form, and the cookie it gives."""
    answer = httpx.post(f"{address}/page/key", data={"key": key}, headers={"Origin": address})
    return answer, answer.headers.get("set-cookie", "").partition(";")[0]


def test_without_a_key_only_the_form_is_seen(locked):
    answer = httpx.get(locked)
    assert (answer.status_code, "Key of this server" in answer.text) == (200, True)
    assert "nicegui" not in answer.text
    for path in ("/page/picture/1", "/page/heat/1", "/page/assets/page.js", "/_nicegui/x", "/v1/bundles"):
        assert httpx.get(f"{locked}{path}").status_code == 401, path
    assert connected(locked) == 403


def test_the_key_gives_a_cookie_that_opens_everything_and_holds_no_key(locked):
    answer, given = cookie(locked)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    told = answer.headers["set-cookie"].lower()
    assert "httponly" in told
    assert "samesite=strict" in told
    assert "secret" not in told
    assert "iad-verdict" in httpx.get(locked, headers={"Cookie": given}).text
    assert httpx.get(f"{locked}/v1/bundles", headers={"Cookie": given}).status_code == 200
    assert connected(locked, Cookie=given) == 101


@pytest.mark.parametrize("key", ["", "another", KEY[:-1], KEY + " "])
def test_another_key_gives_the_form_again(locked, key):
    answer, given = cookie(locked, key)
    assert (answer.status_code, given) == (401, "")
    assert "not the key" in answer.text


def test_a_cookie_of_another_server_opens_nothing(locked):
    name = cookie(locked)[1].partition("=")[0]
    for value in ("", "x", "iad", "%00", '"'):
        assert httpx.get(f"{locked}/v1/bundles", headers={"Cookie": f"{name}={value}"}).status_code == 401


def test_a_form_without_end_is_refused(locked):
    answer = httpx.post(f"{locked}/page/key", content=b"key=" + b"a" * 10_000)
    assert answer.status_code == 413


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:1"])
def test_pages_of_other_sites_are_refused_through_websockets_too(server, locked, origin):
    address, _ = server
    assert connected(address, Origin=origin) == 403
    assert connected(address, Origin=address) == 101
    assert httpx.get(address, headers={"Origin": origin}).status_code == 403
    assert httpx.post(f"{locked}/page/key", data={"key": KEY}, headers={"Origin": origin}).status_code == 403


def test_a_name_server_that_lies_does_not_make_another_site_this_one(server):
    """DNS rebinding: a name of another site that leads here is refused where no key protects the page."""
    address, _ = server
    assert connected(address, Host="evil.example", Origin="http://evil.example") == 403
    assert httpx.get(address, headers={"Host": "evil.example"}).status_code == 403
    assert httpx.get(address, headers={"Host": f"localhost:{urlsplit(address).port}"}).status_code == 200


def test_what_the_page_answers_stays_in_it(server):
    headers = httpx.get(server[0]).headers
    rules = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in rules
    assert not re.search(r"https?:|\*", rules)
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_the_servers_own_addresses_are_as_before(server):
    address, _ = server
    assert httpx.get(f"{address}/healthz").text == "ok\n"
    assert httpx.get(f"{address}/v1/predict").status_code == 405
    assert list(httpx.get(f"{address}/nowhere").json()) == ["error"]
    paths = httpx.get(f"{address}/openapi.json").json()["paths"]
    assert set(paths) == {"/v1/predict", "/v1/bundles", "/healthz", "/readyz", "/metrics"}


@pytest.mark.parametrize(
    "path",
    ["/page/assets/..%2f..%2ffront.py", "/page/assets/%2e%2e/front.py", "/page/good/00/..%2f..%2f..%2fparams.yaml"],
)
def test_no_path_leads_out(server, project, path):
    name = "params.yaml"
    digest = PictureFile(project / name, name).sha256
    answer = httpx.get(f"{server[0]}{path.replace('/00/', f'/{digest}/')}")
    assert answer.status_code == 404


@pytest.mark.parametrize("number", ["0", "-1", "999999", "9" * 40, "x"])
def test_a_part_that_is_not_there_is_no_fault(server, number):
    for kind in ("picture", "heat"):
        assert httpx.get(f"{server[0]}/page/{kind}/{number}").status_code in (404, 422)


def test_without_the_page_the_server_is_as_before(bundle, tmp_path):
    with served(bundle, tmp_path, "--no-page") as address:
        answer = httpx.get(address)
        assert (answer.status_code, list(answer.json())) == (404, ["error"])
        assert connected(address) in (403, 404)


def test_where_the_extra_is_missing_the_first_page_says_how_to_get_it(monkeypatch, station, log):
    from iad.serve.http import hosting
    from iad.serve.http.app import build_app

    monkeypatch.delitem(sys.modules, "iad.serve.page.front", raising=False)
    monkeypatch.setitem(sys.modules, "nicegui", None)
    app = build_app({"line": station}, page=hosting._page(log=log))

    async def asked(*paths):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://here") as client:
            return [await client.get(path) for path in paths]

    first, bundles = asyncio.run(asked("/", "/healthz"))
    assert (first.status_code, "install iad[page]" in first.text, first.text.count("\n")) == (404, True, 1)
    assert bundles.status_code == 200


def test_a_signal_that_comes_before_the_server_looks_for_signals_ends_it():
    from threading import Event

    import uvicorn

    from iad.serve.http.hosting import _Server

    async def app(scope, receive, send):
        assert scope["type"] != "http"

    asked = Event()
    asked.set()
    _Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None), asked).run()  # comes back
