"""Verdicts in nodes of a plant's server of OPC UA, one on this computer: its types, away and back, rights."""

import math
import time
from dataclasses import replace

import pytest

from iad.errors import IadError
from iad.serve.entries import Entry

pytest.importorskip("asyncua", reason="the extra iad[opcua] is not installed")

from asyncua.ua import VariantType as Kind  # after it is known to be there

from iad.serve.sinks.link import Link
from iad.serve.sinks.opcua import NAMES, OpcUa, as_variant, nodes_of
from tests.concurrency import until
from tests.serve.sinks.plant import Plant, Users

ENTRY = Entry("ä.png", "/in/ä.png", "", 3, 5, "ab", "b1", "vit", 0.75, 0.25, 0.5, True, "", 0.01)
TYPES = {
    "Rejected": Kind.Boolean, "Verdict": Kind.String, "Score": Kind.Double, "Threshold": Kind.Float,
    "PictureName": Kind.String, "Bundle": Kind.String, "Error": Kind.String, "Counter": Kind.UInt32,
    "Heartbeat": Kind.UInt16,
}  # fmt: skip
NODES = "ns=2;s=Line1.{}"


@pytest.fixture
def plant():
    started = []

    def start(types=TYPES, **given):
        started.append(Plant(types, **given))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def send(deliver):
    """Start a sender; it is ended with the test."""
    return lambda url, nodes=NODES: deliver(OpcUa(url, nodes))


def test_a_verdict_is_in_its_nodes_and_the_counter_comes_last(log, plant, send):
    line = plant()
    sender = send(line.url)
    entry = log.append(ENTRY)
    until(lambda: line.read("Counter") == entry.number)
    found = {name: line.read(name) for name in TYPES if name != "Heartbeat"}
    assert found == {
        "Rejected": True, "Verdict": "rejected", "Score": 0.75, "Threshold": 0.5, "PictureName": "ä.png",
        "Bundle": "b1", "Error": "", "Counter": 1,
    }  # fmt: skip
    log.append(replace(ENTRY, rejected=False, score=0.25))
    until(lambda: line.read("Counter") == 2)
    assert (line.read("Rejected"), line.read("Score")) == (False, 0.25)
    assert sender.told == []


def test_what_could_not_be_inspected_must_not_pass(log, plant, send):
    line = plant()
    send(line.url)
    log.append(replace(ENTRY, score=None, p_value=None, rejected=None, error="a.png: torn"))
    until(lambda: line.read("Counter") == 1)
    assert (line.read("Rejected"), line.read("Verdict"), line.read("Error")) == (True, "unread", "a.png: torn")
    assert math.isnan(line.read("Score"))


def test_every_verdict_comes_to_the_controller(log, plant, send):
    line = plant()
    sender = send(line.url)
    for _ in range(30):
        log.append(ENTRY)
        sender.wake()
        time.sleep(0.03)
    until(lambda: line.read("Counter") == 30)
    until(lambda: line.seen[-1] == 30)
    assert line.seen == [*range(31)]


def test_the_heart_beats_while_nothing_comes(plant, send):
    line = plant()
    send(line.url)
    until(lambda: line.read("Heartbeat") >= 2)


def test_old_verdicts_are_left_out_when_the_server_is_back_and_that_is_told(log, plant, send, monkeypatch):
    monkeypatch.setattr(OpcUa, "fresh_seconds", 0.5)
    line = plant()
    sender = send(line.url)
    log.append(ENTRY)
    until(lambda: line.read("Counter") == 1)
    line.stop()
    until(lambda: any("trying again" in one for one in sender.told))
    log.append(ENTRY)
    log.append(ENTRY)
    time.sleep(0.6)
    again = plant(port=line.port)
    until(lambda: any("answers again" in one for one in sender.told))
    log.append(ENTRY)
    until(lambda: again.read("Counter") == 4)
    until(lambda: sender.told[-1].endswith("2 verdicts came too late for it and were left out"))
    assert again.seen == [0, 4]


def test_what_was_before_the_start_is_not_written(log, plant, send):
    line = plant()
    log.append(ENTRY)
    send(line.url)
    until(lambda: line.read("Heartbeat") >= 1)
    assert line.read("Counter") == 0


def test_nodes_may_lack_and_have_other_types(log, plant, send):
    line = plant({"Rejected": Kind.Int16, "Counter": Kind.Byte, "Score": Kind.String})
    send(line.url)
    log.append(ENTRY)
    until(lambda: line.read("Counter") == 1)
    assert (line.read("Rejected"), line.read("Score")) == (1, "0.75")


def test_a_needed_node_that_is_not_there_is_told(log, plant, send):
    sender = send(plant({"Score": Kind.Double}).url)
    until(lambda: sender.told)
    assert "has no node ns=2;s=Line1.Rejected for Rejected; name its nodes with --opcua-nodes" in sender.told[0]


def test_a_password_is_asked_for_and_is_in_no_line(log, plant, send, monkeypatch):
    line = plant(users=Users())
    monkeypatch.setenv("IAD_OPCUA_USER", "line")
    monkeypatch.setenv("IAD_OPCUA_PASSWORD", "wrong-secret")
    sender = send(line.url)
    until(lambda: sender.told)
    assert "refuses" in sender.told[0]
    assert "\n" not in sender.told[0]
    monkeypatch.setenv("IAD_OPCUA_PASSWORD", "right")
    until(lambda: any("answers again" in one for one in sender.told))
    log.append(ENTRY)
    until(lambda: line.read("Counter") == 1)
    assert not any("secret" in one for one in sender.told)


@pytest.mark.parametrize("url", ["opc.tcp://127.0.0.1:9", "opc.tcp://nowhere.invalid:4840"])
def test_a_server_that_is_not_there_is_told_in_one_line(log, send, url):
    sender = send(url)
    until(lambda: sender.told)
    assert sender.told[0].startswith(f"opcua: {url}: cannot be reached (")
    assert "\n" not in sender.told[0]


def test_ids_may_come_from_a_file(tmp_path):
    file = tmp_path / "nodes.toml"
    file.write_text('Rejected = \'ns=3;s="Vision"."Bad"\'\nCounter = "ns=3;i=7"\n')
    assert nodes_of(str(file)) == {"Rejected": 'ns=3;s="Vision"."Bad"', "Counter": "ns=3;i=7"}
    assert nodes_of("ns=2;s=x.{}").keys() == set(NAMES)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Rejected = 'ns=3;i=1'", "names no node for Counter"),
        ("Rejected = 'ns=3;i=1'\nCounter = 'here'", "'here' is no id of a node"),
        ("Rejected = 'ns=3;i=1'\nCounter = 'ns=3;i=2'\nScor = 'ns=3;i=3'", "did you mean 'Score'"),
        ("= nothing", "no TOML"),
    ],
)
def test_a_file_of_ids_that_will_not_do_is_refused(tmp_path, text, error):
    file = tmp_path / "nodes.toml"
    file.write_text(text)
    with pytest.raises(IadError, match=error):
        nodes_of(str(file))


@pytest.mark.parametrize("url", ["http://host", "opc.tcp://", "opc.tcp://host:x", "opc.tcp://me:secret@host"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(IadError, match=r"^--opcua: ") as caught:
        Link(url)
    assert "secret" not in str(caught.value)


def test_a_counter_begins_again_when_its_type_is_used_up():
    assert [as_variant(number, Kind.UInt16).Value for number in (65_535, 65_536)] == [65_535, 0]
