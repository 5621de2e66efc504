"""What asks for frames: the clock, a program over HTTP, a node of a plant's server."""

import http.client
import json
import socket
import threading
import time

import pytest

from iad.errors import IadError
from iad.serve.entries import Entry
from iad.serve.triggers.choosing import trigger_of
from iad.serve.triggers.http import HttpTrigger
from iad.serve.triggers.shots import MOST_WAITING, Asked, Clock, Shot
from tests.concurrency import until

ENTRY = Entry("a.png", "", "", 3, 0, "ab", "b1", "vit", 0.5, 0.25, 0.75, False, "", 0.01, number=7)


def test_the_clock_asks_at_even_times_and_leaves_out_those_that_passed(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    clock, times = Clock(1.0), []
    for spent in (0.0, 0.3, 2.5, 0.0):
        while (shot := clock.next(0.2)) is None:
            pass
        times.append(now[0])
        now[0] += spent
    assert times == pytest.approx([100, 101, 102, 104.5])
    assert not shot.part
    while clock.next(0.2) is None:
        pass
    assert now[0] == pytest.approx(105)


def test_more_frames_than_may_wait_are_not_taken():
    asked = Asked()
    assert [asked.ask(Shot()) for _ in range(MOST_WAITING + 1)] == [*[True] * MOST_WAITING, False]
    assert asked.next(0) is not None
    assert Asked().next(0.01) is None


@pytest.fixture
def trigger():
    found = HttpTrigger(0)
    yield found
    found.close()


def post(trigger, path="/trigger", method="POST", body=b"", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", trigger.port, timeout=180)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"{}")


def test_who_asks_over_http_gets_the_verdict(trigger):
    def line():
        trigger.next(180).answered(ENTRY)

    threading.Thread(target=line).start()
    assert post(trigger) == (200, ENTRY.record())


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"path": "/other"}, 404),
        ({"path": "/trigger/../x"}, 404),
        ({"method": "GET"}, 405),
        ({"method": "GET", "path": "/"}, 404),
        ({"Origin": "http://elsewhere"}, 403),
        ({"body": b"x" * 5000}, 413),
        ({"Content-Length": "-1"}, 413),
    ],
)
def test_what_is_no_trigger_asks_for_nothing(trigger, given, status):
    answered, told = post(trigger, **given)
    assert (answered, set(told)) == (status, {"error"})
    assert trigger.next(0.05) is None


def test_too_many_over_http_are_told_to_come_later(trigger):
    for _ in range(MOST_WAITING):
        trigger.ask(Shot())
    assert post(trigger)[0] == 429


def test_only_this_computer_is_heard(trigger):
    assert trigger._server.server_address[0] == "127.0.0.1"


def test_a_sender_that_says_nothing_holds_up_nobody(trigger):
    with socket.create_connection(("127.0.0.1", trigger.port)) as mute:
        mute.sendall(b"POST /tri")
        threading.Thread(target=lambda: trigger.next(180).answered(ENTRY)).start()
        assert post(trigger)[0] == 200


def test_a_port_that_is_taken_is_refused(trigger):
    with pytest.raises(IadError, match=r"^--trigger http:\d+: cannot listen there \("):
        HttpTrigger(trigger.port)


@pytest.mark.parametrize(
    ("text", "every", "opcua", "error"),
    [
        ("", None, "", "when is a frame to be taken"),
        ("http", 1.0, "", "give one of them"),
        ("", float("inf"), "", "at most a day"),
        ("", 0.0, "", "above 0"),
        ("", float("nan"), "", "above 0"),
        ("http:99999", None, "", "'99999' is no port; give a number from 1 to 65535"),
        ("http:x", None, "", "'x' is no port"),
        ("button", None, "", "give http, http:PORT or opcua:NODE"),
        ("opcua:ns=2;s=x", None, "", "of which server"),
        ("opcua:here", None, "opc.tcp://127.0.0.1:9", "no id of a node"),
    ],
)
def test_what_is_no_trigger_is_refused(text, every, opcua, error):
    if text == "opcua:here":
        pytest.importorskip("asyncua", reason="the extra iad[opcua] is not installed")
    with pytest.raises(IadError, match=error):
        trigger_of(text, every, opcua, print)


@pytest.fixture
def plant():
    pytest.importorskip("asyncua", reason="the extra iad[opcua] is not installed")
    from asyncua.ua import VariantType as Kind

    from tests.serve.sinks.plant import Plant

    started = []

    def start(**given):
        started.append(Plant({"Trigger": Kind.Boolean, "Part": Kind.UInt32}, **given))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def node(plant, name):
    told = []
    found = trigger_of(f"opcua:ns=2;s=Line1.{name}", None, plant.url, told.append)
    found.told = told
    until(lambda: found._before is not None)
    return found


def test_a_boolean_asks_when_it_becomes_true_and_a_number_when_it_changes(plant):
    line = plant()
    edge, counter = node(line, "Trigger"), node(line, "Part")
    assert (edge.next(0.3), counter.next(0.1)) == (None, None)
    for value in (True, False, True):
        line.write("Trigger", value)
        time.sleep(0.2)
    for value in (5, 6):
        line.write("Part", value)
        time.sleep(0.2)
    until(lambda: edge._waiting.qsize() == 2)
    until(lambda: counter._waiting.qsize() == 2)
    assert all(one.next(0).part for one in (edge, counter))
    for one in (edge, counter):
        one.close()


def test_parts_that_passed_while_the_server_was_away_are_told_and_the_next_one_is_seen(plant, monkeypatch):
    monkeypatch.setattr("iad.serve.triggers.opcua.AGAIN_SECONDS", 0.2)
    line = plant()
    counter = node(line, "Part")
    line.write("Part", 3)
    until(lambda: counter._waiting.qsize() == 1)
    line.stop()
    until(lambda: counter.told)
    assert counter.told[0].endswith("waiting for it")
    again, back = plant(port=line.port), f"trigger: {line.url}: answers again"
    until(lambda: {"trigger: was at 3 and is at 0; parts in between were not seen", back} <= set(counter.told))
    again.write("Part", 1)
    until(lambda: counter._waiting.qsize() == 2)
    counter.close()
