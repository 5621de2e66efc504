"""Verdicts published to a broker of MQTT, and a topic that says whether this program is at work.

A verdict counts as delivered when the broker has acknowledged it (quality of service 1: at least once). A receiver may
get one twice, if the acknowledgement was lost; its `number` tells. MQTT 5 is spoken, since brokers of earlier versions
acknowledge what they throw away, such as what the user may not publish.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import ssl
from dataclasses import dataclass
from threading import Event
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from iad.errors import IadError
from iad.serve.addresses import require_port
from iad.serve.entries import Entry
from iad.serve.sinks.delivery import AwayError

USER, PASSWORD = "IAD_MQTT_USER", "IAD_MQTT_PASSWORD"  # names of variables
PORTS = {"mqtt": 1883, "mqtts": 8883}
STATUS, ONLINE, OFFLINE = "status", "online", "offline"  # the topic below that of verdicts, and what it says
AT_LEAST_ONCE = 1
CONNECT_SECONDS, ACKNOWLEDGE_SECONDS, KEEPALIVE_SECONDS = 5.0, 10.0, 20


@dataclass(frozen=True)
class Address:
    """Where verdicts are published.

    Attributes:
        host: of the broker.
        port: of the broker.
        topic: of verdicts.
        tls: whether the connection is encrypted, and the broker's certificate checked against this computer's
            authorities (`SSL_CERT_FILE` names others).
    """

    host: str
    port: int
    topic: str
    tls: bool

    @classmethod
    def read(cls, url: str) -> Self:
        """An address as people write it: mqtt[s]://host[:port]/topic.

        Raises:
            IadError: if it is none, or holds a password, which others on this computer could see.

        >>> Address.read("mqtts://plant.example/line 1/verdicts")
        Address(host='plant.example', port=8883, topic='line 1/verdicts', tls=True)
        """
        require_port("--mqtt", url)
        try:
            parts = urlsplit(url)
            host, port, topic = parts.hostname, parts.port, unquote(parts.path[1:])
        except ValueError:
            host, port, topic = None, None, ""
        if host is None or not topic or parts.scheme not in PORTS or parts.query or "#" in url:
            raise IadError("--mqtt: give an address as mqtt://host:1883/topic, or mqtts:// for an encrypted connection")
        if parts.username is not None:
            raise IadError(f"--mqtt: others see a command; put the user into {USER}, the password into {PASSWORD}")
        if set(topic) & set("+#\0") or topic.startswith("$") or len(topic.encode("utf-8", "replace")) > 60_000:
            raise IadError(f"--mqtt: nothing can be published to the topic {topic[:80]!r}; give one without + # and $")
        return cls(host, port or PORTS[parts.scheme], topic, parts.scheme == "mqtts")

    def __str__(self) -> str:
        return f"mqtt{'s' * self.tls}://{self.host}:{self.port}"


class _Connection:
    """A connection to the broker; when it breaks, another is made.

    Its events happen in a thread of the client, and one is waited for at a time: the broker has answered, has
    acknowledged, or is gone.
    """

    def __init__(self, client: Client) -> None:
        self._client, self._event, self._reason = client, Event(), ""
        client.on_connect, client.on_disconnect = self._answered, self._ended
        client.on_publish = self._acknowledged

    @property
    def stands(self) -> bool:
        return self._client.is_connected()

    def open(self, address: Address) -> None:
        try:
            self._client.connect(address.host, address.port, KEEPALIVE_SECONDS)
        except (OSError, ValueError) as error:  # names that cannot be looked up, closed ports, certificates
            raise AwayError(f"cannot be reached ({_why(error)})") from None
        self._client.loop_start()
        self._wait(CONNECT_SECONDS, "does not answer; is it a broker of MQTT 5?")

    def publish(self, topic: str, text: str, *, retain: bool) -> None:
        self._event.clear()
        if self._client.publish(topic, text, AT_LEAST_ONCE, retain=retain).rc:
            self.close()
            raise AwayError(self._reason or "ended the connection")
        self._wait(ACKNOWLEDGE_SECONDS, "did not acknowledge a verdict")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _wait(self, seconds: float, otherwise: str) -> None:
        if not self._event.wait(seconds):
            self._reason = otherwise
        if self._reason:
            self.close()
            raise AwayError(self._reason)

    def _answered(self, _client: Client, _data: Any, _flags: Any, code: ReasonCode, _more: Any) -> None:
        self._note(f"refuses the connection ({code})" if code.is_failure else "")

    def _acknowledged(self, _client: Client, _data: Any, _number: int, code: ReasonCode, _more: Any) -> None:
        self._note(f"does not take what is published there ({code})" if code.is_failure else "")

    def _ended(self, _client: Client, _data: Any, _flags: Any, code: ReasonCode, _more: Any) -> None:
        self._note(self._reason or f"ended the connection ({code})")

    def _note(self, reason: str) -> None:
        self._reason = reason
        self._event.set()


class Mqtt:
    """Publishes verdicts, one JSON object each, as `iad watch --json` prints them.

    The topic `status` below that of verdicts says "online", retained, while this program is connected; where it
    ends or is cut off, the broker says "offline" (its last will). User and password are those of the variables
    `IAD_MQTT_USER` and `IAD_MQTT_PASSWORD`.

    Args:
        url: as `Address.read`.
        line: what tells this program from others that publish there, the same after a restart: the broker then knows
            that the one before is gone.

    Raises:
        IadError: as `Address.read`.

    Attributes:
        name: as in `iad.serve.sinks.delivery.Receiver`.
        target: as there.
        fresh_seconds: as there.
    """

    fresh_seconds: float | None = None

    def __init__(self, url: str, line: str = "") -> None:
        self._address = Address.read(url)
        self._id = hashlib.sha256(f"{platform.node()} {line} {url}".encode()).hexdigest()[:16]
        self.name = f"mqtt: {self._address}"
        self.target = hashlib.sha256(url.encode()).hexdigest()
        self._connection: _Connection | None = None

    def send(self, entry: Entry) -> None:
        """As `iad.serve.sinks.delivery.Receiver`."""
        self._connected().publish(self._address.topic, json.dumps(entry.record()), retain=False)

    def greet(self) -> None:
        """As `iad.serve.sinks.delivery.Receiver`."""
        self._connected()

    def close(self) -> None:
        """Say offline and leave."""
        if self._connection is None or not self._connection.stands:
            return  # its will says the same
        try:
            self._connection.publish(self._status, OFFLINE, retain=True)
            self._connection.close()
        except AwayError:
            return

    @property
    def _status(self) -> str:
        return f"{self._address.topic}/{STATUS}"

    def _connected(self) -> _Connection:
        if self._connection is None or not self._connection.stands:
            if self._connection is not None:
                self._connection.close()
            self._connection = _Connection(self._client())
            self._connection.open(self._address)
            self._connection.publish(self._status, ONLINE, retain=True)
        return self._connection

    def _client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2, f"iad-{self._id}", protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )  # fmt: skip
        client.will_set(self._status, OFFLINE, AT_LEAST_ONCE, retain=True)
        client.connect_timeout = CONNECT_SECONDS
        if user := os.environ.get(USER):
            client.username_pw_set(user, os.environ.get(PASSWORD))
        if self._address.tls:
            client.tls_set_context(ssl.create_default_context())
        return client


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error) or type(error).__name__
