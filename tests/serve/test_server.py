"""The server in this process, with a bundle that judges by a picture's brightness: answers, refusals, load."""

import asyncio
import contextlib
import io
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from PIL import Image

from iad.bundles.verdict import Verdict
from iad.data.given import read_pictures
from iad.data.image_size import ImageSize
from iad.errors import IadError
from iad.serve.http.station import BusyError, Station, sent

pytest.importorskip("fastapi")

import uvicorn

from iad.serve.http.app import build_app
from iad.serve.http.limits import Gate, Limits
from iad.serve.http.patience import BUFFER_BYTES, Patience, Patient


class Inspector:
    """Rejects bright pictures; may be held up."""

    method, threshold, batch_size = "vit", 100.0, 4

    def __init__(self):
        self.go, self.batches = threading.Event(), []
        self.go.set()
        self.bundle = SimpleNamespace(
            method="vit", threshold=SimpleNamespace(value=100.0, guarantee="at most 5 %"),
            preprocess=SimpleNamespace(image_size=ImageSize(8, 8)), pictures=range(3),
        )  # fmt: skip

    def predict(self, pictures, *, maps, errors, batch_size):
        assert (maps, batch_size) == (False, len(pictures))
        self.go.wait(20)
        self.batches.append(len(pictures))
        for one in read_pictures(pictures, 8, errors=errors, max_megapixels=1):
            if one.pixels is None:
                yield Verdict(one.image_id, one.path, np.nan, np.nan, None, error=one.error, sha256=one.sha256)
            else:
                score = float(one.pixels.mean())
                yield Verdict(one.image_id, one.path, score, 0.5, score >= 100, sha256=one.sha256)


def picture(level, kind="PNG", side=8):
    file = io.BytesIO()
    Image.new("L", (side, side), level).save(file, kind)
    return file.getvalue()


@pytest.fixture
def inspector():
    return Inspector()


@pytest.fixture
def station(inspector, log):
    found = Station("bolts", inspector, "b1", log, most=8)
    yield found
    inspector.go.set()
    found.close()


def ask(station, *requests, limits=None, more=()):
    """Answers to requests (method, address, keywords of httpx) that are sent at once."""

    async def all_of_them():
        app = build_app({one.name: one for one in (station, *more)}, limits)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://here") as client:
            return await asyncio.gather(*(client.request(method, url, **given) for method, url, given in requests))

    found = asyncio.run(all_of_them())
    return found if len(found) > 1 else found[0]


def posted(data=None, url="/v1/predict", **given):
    headers = {"Content-Type": "image/png"} | given.pop("headers", {})
    return ("POST", url, {"content": picture(7) if data is None else data, "headers": headers, **given})


def test_a_picture_as_the_body_gets_its_verdict(station, log):
    answer = ask(station, posted(picture(200)))
    assert answer.status_code == 200
    (verdict,) = answer.json()["verdicts"]
    assert (verdict["score"], verdict["rejected"], verdict["verdict"]) == (200.0, True, "rejected")
    (entry,) = log.entries()
    assert {name: getattr(entry, name) for name in verdict if name != "verdict"} == {
        name: value for name, value in verdict.items() if name != "verdict"
    }


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("named", ["image/x", "application/octet-stream"])
def test_every_format_is_known_by_its_content(station, kind, named):
    answer = ask(station, posted(picture(50, kind), headers={"Content-Type": named}))
    assert answer.json()["verdicts"][0]["score"] == pytest.approx(50, abs=1)


def test_many_pictures_come_back_in_their_order_and_one_that_is_torn_holds_up_none(station):
    files = [("files", (f"{level}.png", picture(level))) for level in (10, 200, 30)]
    files.insert(1, ("files", ("torn.png", b"torn")))
    answer = ask(station, ("POST", "/v1/predict?bundle=bolts", {"files": files}))
    assert answer.status_code == 200
    assert [(one["image_id"], one["score"]) for one in answer.json()["verdicts"]] == [
        ("10.png", 10.0), ("torn.png", None), ("200.png", 200.0), ("30.png", 30.0),
    ]  # fmt: skip
    assert "torn.png" in answer.json()["verdicts"][1]["error"]


def test_several_senders_are_computed_together_and_each_gets_its_own(station, inspector, log):
    inspector.go.clear()
    threading.Timer(0.3, inspector.go.set).start()
    answers = ask(station, *(posted(picture(level)) for level in range(8)))
    assert [one.json()["verdicts"][0]["score"] for one in answers] == [*map(float, range(8))]
    assert sum(inspector.batches) == 8
    assert max(inspector.batches) == 4
    assert log.last_number() == 8


def test_more_than_may_wait_are_turned_away_and_told_when_to_come_again(station, inspector, log):
    inspector.go.clear()
    threading.Timer(0.3, inspector.go.set).start()
    answers = ask(station, *(posted() for _ in range(12)))
    codes = sorted(one.status_code for one in answers)
    assert codes == [200] * 8 + [429] * 4
    refused = next(one for one in answers if one.status_code == 429)
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.json() == {"error": "too many pictures are waiting; try again later"}
    assert log.last_number() == 8
    assert ask(station, posted()).status_code == 200


@pytest.mark.parametrize(
    ("request_", "status", "error"),
    [
        (posted(b"torn"), 422, None),
        (posted(b""), 400, "no picture in the request"),
        (posted(picture(1, "GIF")), 422, None),
        (posted(picture(1, side=1100)), 422, None),
        (posted(headers={"Content-Type": "text/plain"}), 415, "send pictures as multipart"),
        (posted(headers={"Content-Type": "multipart/form-data"}), 400, ""),
        (posted(headers={"Content-Type": "multipart/form-data; boundary=x"}), 400, ""),
        (("POST", "/v1/predict", {"data": {"a": "b"}, "files": []}), 415, "send pictures"),
        (posted(url="/v1/predict?bundle=nuts"), 404, "no bundle 'nuts'; name one of bolts"),
        (posted(url="/v1/predict?bundle=../../etc/passwd"), 404, "no bundle"),
        (posted(url="/v1/nothing"), 404, "nothing is at this address"),
        (("GET", "/v1/predict", {}), 405, "this address is asked in another way"),
        (("GET", "/../../etc/passwd", {}), 404, "nothing is at this address"),
        (posted(bytes(9000)), 413, "more than 0.0078125 MiB in one request"),
        (posted(headers={"Origin": "http://elsewhere"}), 403, "asked by the page of another site"),
        (posted(headers={"Origin": "null"}), 403, "asked by the page of another site"),
        (("POST", "/v1/predict", {"files": [("f", (f"{n}.png", b"1")) for n in range(65)]}), 413, "more than"),
    ],
)  # fmt: skip
def test_what_is_wrong_gets_its_status_and_one_sentence(station, request_, status, error):
    answer = ask(station, request_, limits=Limits(bytes=8192))
    assert answer.status_code == status, answer.text
    if error is None:
        error = ""
        text = answer.json()["verdicts"][0]["error"]
    else:
        text = answer.json()["error"]
    assert error in text
    assert text
    assert "\n" not in text
    assert ask(station, posted()).status_code == 200


def test_more_parts_than_allowed_are_refused(station):
    files = [("f", (f"{n}.png", picture(1))) for n in range(65)]
    answer = ask(station, ("POST", "/v1/predict", {"files": files}))
    assert (answer.status_code, "error" in answer.json()) == (400, True)


def test_only_who_has_the_key_is_answered(station):
    limits = Limits(key="long secret ä")
    good = [{"X-API-Key": "long secret ä".encode()}, {"Authorization": "Bearer long secret ä".encode()}]
    for headers in good:
        assert ask(station, posted(headers=headers), limits=limits).status_code == 200
    for headers in ({}, {"X-API-Key": "long secret"}, {"Authorization": "Basic long"}, {"X-API-Key": ""}):
        answer = ask(station, posted(headers=headers), limits=limits)
        assert answer.status_code == 401
        assert "secret" not in answer.text
    for url, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 401), ("/v1/bundles", 401)):
        assert ask(station, ("GET", url, {}), limits=limits).status_code == status


def test_no_key_and_no_picture_is_in_the_log_of_requests(station, capsys):
    ask(station, posted(headers={"X-API-Key": "hidden", "X-Request-Id": "mine-1"}), limits=Limits(key="hidden"))
    (line,) = capsys.readouterr().err.splitlines()
    record = json.loads(line)
    assert (record["id"], record["status"], record["path"]) == ("mine-1", 200, "/v1/predict")
    assert "hidden" not in line


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\x07", "é"])
def test_an_odd_request_id_is_replaced(station, given):
    answer = ask(station, posted(headers={"X-Request-Id": given.encode()}))
    assert answer.headers["X-Request-Id"].isalnum()
    assert answer.headers["X-Request-Id"] != given


def test_a_sender_that_stops_in_the_middle_is_told_and_holds_up_nobody(station):
    async def slow():
        yield picture(3)[:10]
        await asyncio.sleep(5)
        yield picture(3)[10:]

    began = time.monotonic()
    answers = ask(station, posted(slow()), posted(), limits=Limits(seconds=0.2))
    assert [one.status_code for one in answers] == [408, 200]
    assert "nothing more came for 0.2 seconds" in answers[0].json()["error"]
    assert time.monotonic() - began < 4


def test_a_body_that_tells_no_length_is_measured_as_it_comes(station):
    async def endless():
        while True:
            yield bytes(1000)

    answer = ask(station, posted(endless()), limits=Limits(bytes=10_000))
    assert answer.status_code == 413


def test_several_bundles_are_called_by_name(station, log):
    other = Station("nuts", Inspector(), "b2", log)
    assert "several bundles; name one of bolts, nuts" in ask(station, posted(), more=[other]).json()["error"]
    answer = ask(station, posted(url="/v1/predict?bundle=nuts"), more=[other])
    assert answer.json()["bundle"] == "nuts"
    listed = ask(station, ("GET", "/v1/bundles", {}), more=[other]).json()
    assert [(one["name"], one["sha256"], one["threshold"]) for one in listed] == [
        ("bolts", "b1", 100.0), ("nuts", "b2", 100.0),
    ]  # fmt: skip
    other.close()


def test_verdicts_are_counted_for_prometheus(station):
    async def calls():
        app = build_app({"bolts": station})
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://here") as client:
            for data in (picture(1), picture(200), b"torn"):
                await client.post("/v1/predict", content=data, headers={"Content-Type": "image/png"})
            return (await client.get("/metrics")).text

    text = asyncio.run(calls())
    for verdict in ("passed", "rejected", "unread"):
        assert f'iad_verdicts_total{{bundle="bolts",verdict="{verdict}"}} 1.0' in text
    assert 'iad_waiting{bundle="bolts"} 0.0' in text


def test_a_log_that_cannot_be_written_is_told_and_no_verdict_is_given(station, log, monkeypatch):
    def full(*_):
        raise IadError("a.db: the disk is full, so no verdict can be logged; free some space")

    monkeypatch.setattr(log, "append_all", full)
    answer = ask(station, posted())
    assert (answer.status_code, answer.json()["error"]) == (
        503, "a.db: the disk is full, so no verdict can be logged; free some space",
    )  # fmt: skip
    monkeypatch.undo()
    assert ask(station, posted()).status_code == 200
    assert station.waiting == 0


def test_a_fault_inside_is_told_without_its_words(station, inspector, monkeypatch, capsys):
    monkeypatch.setattr(inspector, "predict", lambda *_, **__: 1 / 0)
    answer = ask(station, posted())
    assert (answer.status_code, answer.json()["error"]) == (
        500,
        "something went wrong here; the server's log says what",
    )
    assert "ZeroDivisionError" in capsys.readouterr().err
    monkeypatch.undo()
    assert ask(station, posted()).status_code == 200


def test_a_bundle_that_stopped_is_not_ready(log):
    station = Station("bolts", Inspector(), "b1", log)
    station.close()
    assert ask(station, ("GET", "/readyz", {})).status_code == 503
    assert ask(station, ("GET", "/healthz", {})).status_code == 200


def test_what_was_submitted_before_the_end_is_answered(log):
    inspector = Inspector()
    station = Station("bolts", inspector, "b1", log, most=100)
    inspector.go.clear()
    futures = station.submit([sent(f"{n}.png", picture(n)) for n in range(10)])
    threading.Timer(0.2, inspector.go.set).start()
    station.close()
    assert [one.result(0).score for one in futures] == [*map(float, range(10))]
    assert log.last_number() == 10


def test_a_request_larger_than_the_queue_is_taken_when_nothing_waits(station, inspector):
    inspector.go.clear()
    many = [sent(f"{n}.png", picture(n)) for n in range(20)]
    futures = station.submit(many)
    with pytest.raises(BusyError):
        station.submit(many[:1])
    inspector.go.set()
    assert [one.result(20).score for one in futures] == [*map(float, range(20))]


def test_a_sender_that_gives_up_costs_nobody_else_a_verdict(station, inspector, log):
    inspector.go.clear()
    first, second = (station.submit([sent(f"{n}.png", picture(n))])[0] for n in (1, 2))
    time.sleep(0.1)
    assert first.cancel()
    inspector.go.set()
    assert second.result(20).score == 2
    assert station.submit([sent("3.png", picture(3))])[0].result(20).score == 3
    assert sorted(one.image_id for one in log.entries()) == ["1.png", "2.png", "3.png"]


def test_threads_that_submit_at_once_all_get_their_answer(station, log):
    def one(level):
        while True:
            try:
                return station.submit([sent("a.png", picture(level))])[0].result(20).score
            except BusyError:
                time.sleep(0.01)

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(one, range(100))) == [*map(float, range(100))]
    assert log.last_number() == 100


def test_other_than_http_passes_the_gate():
    seen = []

    async def inner(scope, receive, send):
        seen.append(scope["type"])

    asyncio.run(Gate(inner, Limits())({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [("0", "0.png"), ("SN.12345", "SN.12345.png"), ("a.png", "a.png"), ("../x/a.png", "a.png"), ("", "picture.png")],
)
def test_a_body_may_have_a_name(station, given, expected):
    answer = ask(station, posted(url=f"/v1/predict?bundle=bolts&name={given}"))
    assert answer.status_code == 200, answer.text
    assert answer.json()["verdicts"][0]["image_id"] == expected


def test_one_picture_does_not_wait_for_all_of_a_large_request(station, inspector):
    inspector.go.clear()
    first = station.submit([sent("first.png", picture(0))])
    many = station.submit([sent(f"{n}.png", picture(n)) for n in range(6)])
    one = station.submit([sent("one.png", picture(9))])[0]
    order = []
    for name, future in [("one", one), *((f"many {n}", future) for n, future in enumerate(many))]:
        future.add_done_callback(lambda _, name=name: order.append(name))
    inspector.go.set()
    assert [future.result(20).score for future in [*first, *many]] == [0, 0, 1, 2, 3, 4, 5]
    assert order.index("one") < order.index("many 4")


@pytest.mark.parametrize("url", ["/healthz", "/readyz"])
def test_a_balancer_may_ask_for_the_head_alone(station, url):
    assert ask(station, ("HEAD", url, {})).status_code == 200


def test_programs_are_told_what_may_be_sent(station):
    told = ask(station, ("GET", "/openapi.json", {})).json()["paths"]["/v1/predict"]["post"]["requestBody"]
    assert told["required"]
    assert set(told["content"]) == {"multipart/form-data", "image/*", "application/octet-stream"}


def h11():
    from uvicorn.protocols.http.h11_impl import H11Protocol

    return type("OfH11", (Patience, H11Protocol), {})


@pytest.fixture(params=[lambda: Patient, h11], ids=["as installed", "h11"])
def listening(station, monkeypatch, request):
    """The port of a server of uvicorn, which waits half a second for the head of a request."""
    monkeypatch.setattr("iad.serve.http.patience.HEAD_SECONDS", 0.5)
    config = uvicorn.Config(build_app({"bolts": station}), port=0, http=request.param(), log_config=None, ws="none",
                            h11_max_incomplete_event_size=BUFFER_BYTES)  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


HEAD = b"GET /healthz HTTP/1.1\r\nHost: here\r\n"


def until_closed(connection):
    connection.settimeout(20)
    found = b""
    while more := connection.recv(65536):
        found += more
    return found


@pytest.mark.parametrize("before", [b"", HEAD + b"\r\n"])
@pytest.mark.parametrize("begun", [b"", b"GET", HEAD])
def test_a_head_that_never_ends_is_answered_and_closed(listening, before, begun):
    with socket.create_connection(("127.0.0.1", listening)) as slow:
        slow.sendall(before)
        if before:
            assert slow.recv(65536).startswith(b"HTTP/1.1 200")
        slow.sendall(begun)
        answer = until_closed(slow)
    assert b" 408 " in answer
    assert "the head of the request did not come within" in json.loads(answer.partition(b"\r\n\r\n")[2])["error"]


def test_a_head_that_comes_slowly_a_body_and_a_long_verdict_are_waited_for(listening, inspector):
    data = picture(7)
    head = f"POST /v1/predict HTTP/1.1\r\nHost: here\r\nContent-Type: image/png\r\nContent-Length: {len(data)}\r\n\r\n"
    inspector.go.clear()
    with socket.create_connection(("127.0.0.1", listening)) as slow:
        for part in (head[:20].encode(), head[20:].encode() + data[:10], data[10:]):
            slow.sendall(part)
            time.sleep(0.3)
        time.sleep(0.5)
        inspector.go.set()
        slow.settimeout(20)
        assert slow.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_picture_that_takes_us_by_surprise_costs_nobody_else_a_verdict(station, inspector, log, monkeypatch):
    judge = inspector.predict

    def surprised(pictures, **how):
        if any(one.name == "bad.png" for one in pictures):
            raise ZeroDivisionError
        return judge(pictures, **how)

    monkeypatch.setattr(inspector, "predict", surprised)
    futures = station.submit([sent(name, picture(5)) for name in ("a.png", "bad.png", "b.png")])
    assert [futures[number].result(20).score for number in (0, 2)] == [5, 5]
    with pytest.raises(ZeroDivisionError):
        futures[1].result(20)
    assert [one.image_id for one in log.entries()] == ["a.png", "b.png"]


def test_a_head_that_is_too_long_is_answered_and_closed(listening):
    for size in (70_000, 2_000_000):
        with socket.create_connection(("127.0.0.1", listening)) as long:
            with contextlib.suppress(OSError):
                long.sendall(HEAD + b"A: " + b"a" * size + b"\r\n\r\n")
            answer = until_closed(long)
        assert b" 431 " in answer
        assert b"more than 64 KiB of headers" in answer
    with socket.create_connection(("127.0.0.1", listening)) as good:
        good.sendall(HEAD + b"A: " + b"a" * 50_000 + b"\r\n\r\n")
        assert good.recv(65536).startswith(b"HTTP/1.1 200")


def test_what_still_comes_of_a_body_after_its_answer_is_no_head(listening):
    form = b"--x\r\n" + b"a: b\r\n" * 100_000
    head = "POST /v1/predict HTTP/1.1\r\nHost: here\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    with socket.create_connection(("127.0.0.1", listening)) as sender:
        with contextlib.suppress(OSError):
            sender.sendall(f"{head}Content-Length: {len(form)}\r\n\r\n".encode() + form)
        answer = until_closed(sender)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1
