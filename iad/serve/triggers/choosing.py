"""What asks for frames, as the options of `iad watch` say."""

from __future__ import annotations

from collections.abc import Callable

from iad.errors import IadError
from iad.serve.addresses import PORTS
from iad.serve.sinks.choosing import needing
from iad.serve.triggers.shots import Clock, Trigger

PORT = 8001


def trigger_of(text: str, every: float | None, opcua: str, tell: Callable[[str], None]) -> Trigger:
    """What asks for frames.

    Args:
        text: http, http:PORT, or opcua:NODE; empty: the clock.
        every: seconds of the clock.
        opcua: address of the server with the node.
        tell: called with a line for the person who runs it.

    Raises:
        IadError: if it is none of these, or more than one.
    """
    if text and every is not None:
        raise IadError("--every and --trigger both say when a frame is taken; give one of them")
    if not text and every is None:
        raise IadError("--camera: when is a frame to be taken? give --every SECONDS, or --trigger http or opcua:NODE")
    if every is not None:
        return Clock(every)
    kind, _, rest = text.partition(":")
    if kind == "http":
        if rest and not (rest.isdecimal() and (int(rest) in PORTS or rest == "0")):  # 0: a free one
            raise IadError(f"--trigger {text}: '{rest}' is no port; give a number from 1 to 65535, as http:{PORT}")
        from iad.serve.triggers.http import HERE, HttpTrigger

        found = HttpTrigger(int(rest or PORT))
        tell(f"trigger: POST http://{HERE}:{found.port}/trigger")
        return found
    if kind == "opcua" and rest:
        if not opcua:
            raise IadError(f"--trigger {text}: of which server? give --opcua opc.tcp://host:4840")
        with needing("opcua"):
            from iad.serve.triggers.opcua import OpcUaTrigger
        return OpcUaTrigger(opcua, rest, tell)
    raise IadError(f"--trigger {text}: give http, http:PORT or opcua:NODE, as opcua:ns=2;s=Line1.Trigger")
