"""Who gets verdicts, as the options of `iad watch` say."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from iad.errors import IadError
from iad.serve.log import VerdictLog
from iad.serve.sinks.delivery import Delivery, Receiver
from iad.serve.sinks.webhook import SECRET, Webhook


def deliveries(
    log: VerdictLog, tell: Callable[[str], None], *, webhook: str = "", mqtt: str = "", opcua: str = "",
    opcua_nodes: str = "",
) -> list[Delivery]:  # fmt: skip
    """Who gets verdicts; nobody of those that are empty.

    Args:
        log: whose verdicts they are.
        tell: called with a line where one cannot be reached.
        webhook: as `iad.serve.sinks.webhook.Webhook`; `IAD_WEBHOOK_SECRET` signs.
        mqtt: as `iad.serve.sinks.mqtt.Mqtt`.
        opcua: as `iad.serve.sinks.opcua.OpcUa`.
        opcua_nodes: as there; empty: the server has a trigger alone.

    Raises:
        IadError: if an address is none, or a package is missing.
    """
    found: list[Receiver] = []
    if webhook:
        found.append(Webhook(webhook, os.environ.get(SECRET, "")))
    if mqtt:
        with needing("mqtt"):
            from iad.serve.sinks.mqtt import Mqtt
        found.append(Mqtt(mqtt, str(log.path.absolute())))
    if opcua and opcua_nodes:
        with needing("opcua"):
            from iad.serve.sinks.opcua import OpcUa
        found.append(OpcUa(opcua, opcua_nodes))
    return [Delivery(one, log, tell) for one in found]


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Refuse where the packages of an extra are not installed; its option has the same name.

    Raises:
        IadError: naming the extra.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        raise IadError(f"--{extra} needs the package {missing.name}; install iad[{extra}]") from None
