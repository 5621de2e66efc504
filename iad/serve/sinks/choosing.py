"""Who gets verdicts, as the options of `iad watch` say."""

from __future__ import annotations

import os
from collections.abc import Callable

from iad.errors import IadError
from iad.serve.log import VerdictLog
from iad.serve.sinks.delivery import Delivery
from iad.serve.sinks.webhook import SECRET, Webhook


def deliveries(
    log: VerdictLog, tell: Callable[[str], None], *, webhook: str = "", mqtt: str = ""
) -> list[Delivery]:  # fmt: skip
    """Who gets verdicts; nobody of those that are empty.

    Args:
        log: whose verdicts they are.
        tell: called with a line where one cannot be reached.
        webhook: as `iad.serve.sinks.webhook.Webhook`; `IAD_WEBHOOK_SECRET` signs.
        mqtt: as `iad.serve.sinks.mqtt.Mqtt`.

    Raises:
        IadError: if an address is none, or a package is missing.
    """
    found = []
    if webhook:
        found.append(Delivery(Webhook(webhook, os.environ.get(SECRET, "")), log, tell))
    if mqtt:
        try:
            from iad.serve.sinks.mqtt import Mqtt
        except ModuleNotFoundError as missing:
            raise IadError(f"--mqtt needs the package {missing.name}; install iad[mqtt]") from None
        found.append(Delivery(Mqtt(mqtt), log, tell))
    return found
