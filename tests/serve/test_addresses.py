"""Addresses that people write: ports that none can have, and passwords that nobody else should read."""

import pytest

from iad.errors import IadError
from iad.serve.cameras import plugged
from iad.serve.cameras.frames import NoFrameError
from iad.serve.http.client import inspect_there
from iad.serve.sinks.webhook import Webhook


def mqtt(url):
    return pytest.importorskip("iad.serve.sinks.mqtt").Address.read(url)


def opcua(url):
    return pytest.importorskip("iad.serve.sinks.link").Link(url)


@pytest.mark.parametrize(("option", "read", "before", "after"), [
    ("--webhook", lambda url: Webhook(url, ""), "http://", "/verdicts"), ("--mqtt", mqtt, "mqtt://", "/line"),
    ("--opcua", opcua, "opc.tcp://", ""), ("--camera", plugged.opener, "rtsp://", "/stream"),
    ("--server", lambda url: inspect_there(url, "", []), "http://", ""),
])  # fmt: skip
@pytest.mark.parametrize("port", ["99999", "x", "0", "-1"])
def test_a_port_that_is_none_is_told_without_what_else_is_in_the_address(option, read, before, after, port):
    with pytest.raises(IadError, match=rf"^{option}: the port of the address is no number from 1 to 65535") as caught:
        read(f"{before}me:secret@host:{port}{after}")
    assert "secret" not in str(caught.value)


def test_a_camera_that_cannot_be_opened_is_called_as_on_the_command_line(monkeypatch):
    def opened():
        raise NoFrameError("cannot be opened")

    monkeypatch.setattr(plugged, "opener", lambda _: opened)
    with pytest.raises(IadError, match=r"^--camera 0: cannot be opened; check"):
        plugged.Plugged("0", print)
    assert plugged.name_of("0") == "camera 0"
