"""Verdicts published to a broker of MQTT, a mosquitto of this computer: away, back, with passwords and without."""

import json
import shutil
import socket
import subprocess
import time
from dataclasses import replace

import pytest

from iad.errors import IadError
from iad.serve.entries import Entry

paho = pytest.importorskip("paho.mqtt.client")

from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion  # noqa: E402  # after it is known to be there

from iad.serve.sinks.mqtt import Address, Mqtt  # noqa: E402
from tests.concurrency import until  # noqa: E402

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin")
ENTRY = Entry("ä.png", "/in/ä.png", "", 3, 5, "ab", "b1", "vit", 0.1 + 0.2, 0.25, 0.75, False, "", 0.01)
needs_broker = pytest.mark.skipif(MOSQUITTO is None, reason="no mosquitto on this computer (Debian: mosquitto)")


class Broker:
    """A mosquitto that keeps what it has acknowledged, as a plant's does."""

    def __init__(self, folder, settings="allow_anonymous true"):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.settings = folder / "mosquitto.conf"
        self.settings.write_text(
            f"listener {self.port} 127.0.0.1\npersistence true\npersistence_location {folder}/\nuser root\n{settings}\n"
        )
        self.process = None

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}/line 1/verdicts"

    def start(self):
        self.process = subprocess.Popen([MOSQUITTO, "-c", self.settings], stderr=subprocess.DEVNULL)
        until(self._listens)
        return self

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Subscriber:
    """Keeps what is published, over restarts of the broker too."""

    def __init__(self, broker):
        self.got = []
        self.client = paho.Client(CallbackAPIVersion.VERSION2, "subscriber", protocol=MQTTProtocolVersion.MQTTv311,
                                  clean_session=False)  # fmt: skip
        self.client.reconnect_delay_set(1, 1)
        self.client.on_message = lambda _c, _u, message: self.got.append((message.topic, message.payload))
        self.ready = False
        self.client.on_subscribe = lambda *_: setattr(self, "ready", True)
        self.client.on_connect = lambda *_: self.client.subscribe("#", qos=1)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        until(lambda: self.ready)

    def numbers(self):
        return [json.loads(data)["number"] for topic, data in list(self.got) if topic == "line 1/verdicts"]

    def said(self):
        return [data for topic, data in list(self.got) if topic == "line 1/verdicts/status"]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def broker(tmp_path):
    found = Broker(tmp_path).start()
    yield found
    found.stop()


@pytest.fixture
def listen():
    made = []

    def start(broker):
        made.append(Subscriber(broker))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def send(deliver, monkeypatch):
    """Start a sender; it is ended with the test."""
    monkeypatch.setattr("iad.serve.sinks.delivery.LONGEST_WAIT_SECONDS", 0.05)
    return lambda url: deliver(Mqtt(url))


@needs_broker
def test_a_verdict_arrives_as_it_is_printed(log, broker, listen, send):
    heard = listen(broker)
    send(broker.url)
    entry = log.append(ENTRY)
    until(lambda: heard.numbers())
    topic, data = next(one for one in heard.got if not one[0].endswith("status"))
    assert (topic, json.loads(data)) == ("line 1/verdicts", entry.record())


@needs_broker
def test_a_broker_that_is_stopped_and_started_again_gets_all_of_them_and_none_twice(log, broker, listen, send):
    heard, sender = listen(broker), send(broker.url)
    for _ in range(20):
        log.append(ENTRY)
    until(lambda: len(heard.numbers()) == 20)
    broker.stop()
    began = time.monotonic()
    for _ in range(20):  # the line goes on
        log.append(ENTRY)
    assert time.monotonic() - began < 5
    until(lambda: any("trying again" in line for line in sender.told))
    broker.start()
    until(lambda: len(set(heard.numbers())) == 40)
    log.append(ENTRY)
    until(lambda: 41 in heard.numbers())
    assert sorted(heard.numbers()) == [*range(1, 42)]
    assert [line.partition(": ")[2].partition(": ")[2] for line in sender.told][-1] == "answers again"


@needs_broker
def test_what_came_while_the_sender_was_away_is_sent_later(log, broker, listen, send):
    heard = listen(broker)
    send(broker.url).stop()
    log.append(ENTRY)
    log.append(replace(ENTRY, image_id="b.png"))
    send(broker.url)
    until(lambda: heard.numbers() == [1, 2])


@needs_broker
def test_the_status_says_online_and_at_the_end_offline(log, broker, listen, send):
    heard, sender = listen(broker), send(broker.url)
    until(lambda: heard.said() == [b"online"])
    sender.stop()
    until(lambda: heard.said() == [b"online", b"offline"])
    late = listen(broker)
    until(lambda: late.said() == [b"offline"])  # retained


@needs_broker
def test_a_sender_that_is_cut_off_is_said_to_be_offline_by_the_broker(log, broker, listen, send):
    heard, sender = listen(broker), send(broker.url)
    until(lambda: heard.said() == [b"online"])
    sender.receiver._connection._client.socket().shutdown(socket.SHUT_RDWR)
    until(lambda: heard.said()[:2] == [b"online", b"offline"])
    until(lambda: heard.said()[-1] == b"online")  # it comes back by itself


@needs_broker
def test_a_password_is_asked_for_and_is_in_no_line(tmp_path, log, listen, send, monkeypatch):
    words = tmp_path / "words"
    subprocess.run(["mosquitto_passwd", "-b", "-c", words, "line", "right"], check=True, capture_output=True)
    words.chmod(0o644)
    broker = Broker(tmp_path, f"allow_anonymous false\npassword_file {words}").start()
    try:
        monkeypatch.setenv("IAD_MQTT_USER", "line")
        monkeypatch.setenv("IAD_MQTT_PASSWORD", "wrong-secret")
        sender = send(broker.url)
        log.append(ENTRY)
        until(lambda: sender.told)
        why = "refuses the connection (Not authorized); trying again until it answers"
        assert sender.told == [f"mqtt: mqtt://127.0.0.1:{broker.port}: {why}"]
        monkeypatch.setenv("IAD_MQTT_PASSWORD", "right")
        until(lambda: log.sent(sender.receiver.target) == 1)
        assert not any("secret" in line for line in sender.told)
    finally:
        broker.stop()


@needs_broker
def test_what_the_user_may_not_publish_is_told_and_not_lost(tmp_path, log, send):
    rules = tmp_path / "rules"
    rules.write_text("topic read #\ntopic write line 1/verdicts/status\n")
    rules.chmod(0o644)
    broker = Broker(tmp_path, f"allow_anonymous true\nacl_file {rules}").start()
    try:
        sender = send(broker.url)
        log.append(ENTRY)
        until(lambda: sender.told)
        assert "does not take what is published there (Not authorized)" in sender.told[0]
        assert log.sent(sender.receiver.target) == 0
    finally:
        broker.stop()


@pytest.mark.parametrize("url", ["mqtt://nowhere.invalid/line", "mqtt://127.0.0.1:9/line"])
def test_a_broker_that_is_not_there_is_told_in_one_line_and_at_the_end_what_is_left(log, send, url):
    sender = send(url)
    log.append(ENTRY)
    until(lambda: sender.told)
    sender.stop(0)
    first, last = sender.told
    assert "cannot be reached (" in first
    assert last.endswith("1 verdict not delivered; sent after the next start")
    assert "\n" not in first + last


def test_something_that_is_no_broker_is_told(log, send, monkeypatch):
    monkeypatch.setattr("iad.serve.sinks.mqtt.CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        sender = send(f"mqtt://127.0.0.1:{mute.getsockname()[1]}/line")
        until(lambda: sender.told)
        assert "does not answer; is it a broker of MQTT 5?" in sender.told[0]
        sender.stop(0)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://host/topic", "give an address as mqtt://"),
        ("mqtt://host", "give an address as mqtt://"),
        ("mqtt://host/", "give an address as mqtt://"),
        ("mqtt:///topic", "give an address as mqtt://"),
        ("mqtt://host:port/topic", "the port of the address is no number from 1 to 65535"),
        ("mqtt://host:99999/topic", "the port of the address is no number from 1 to 65535"),
        ("mqtt://me:secret@host/topic", "put the user into IAD_MQTT_USER, the password into IAD_MQTT_PASSWORD"),
        ("mqtt://host/a/+/b", "nothing can be published to the topic 'a/+/b'"),
        ("mqtt://host/%23", "nothing can be published to the topic"),
        ("mqtt://host/$SYS/x", "nothing can be published"),
    ],
)
def test_an_address_that_is_none_is_refused(url, error):
    with pytest.raises(IadError, match=r"^--mqtt: ") as caught:
        Address.read(url)
    assert error in str(caught.value)
    assert "secret" not in str(caught.value)
