"""The last verdict in nodes of a plant's control system.

A controller wants to know of the part before it, not of parts long gone: what could not be written in time is left out,
which the gap in `Counter` shows, and the log has it. `Counter` is written after all others, so that who sees a new one
finds the values that belong to it.
"""

from __future__ import annotations

import hashlib
import math
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from asyncua import Client, ua

from iad.errors import IadError, unknown
from iad.serve.entries import Entry
from iad.serve.sinks.delivery import AwayError
from iad.serve.sinks.link import Link

VALUES: dict[str, Callable[[Entry], Any]] = {
    "Rejected": lambda entry: entry.rejected is not False,  # what could not be inspected must not pass
    "Verdict": lambda entry: entry.verdict,
    "Score": lambda entry: math.nan if entry.score is None else entry.score,
    "Threshold": lambda entry: entry.threshold,
    "PictureName": lambda entry: entry.image_id,
    "Bundle": lambda entry: entry.bundle,
    "Error": lambda entry: entry.error,
    "Counter": lambda entry: entry.number,
}
"""What the nodes hold, by their names; `Counter` comes last."""

HEARTBEAT = "Heartbeat"  # another value every second, so that a controller sees that somebody is there
NAMES = (*VALUES, HEARTBEAT)
NEEDED = ("Rejected", "Counter")
BEAT_SECONDS = 1.0
WHOLE = {
    ua.VariantType.SByte: 7, ua.VariantType.Byte: 8, ua.VariantType.Int16: 15, ua.VariantType.UInt16: 16,
    ua.VariantType.Int32: 31, ua.VariantType.UInt32: 32, ua.VariantType.Int64: 63, ua.VariantType.UInt64: 64,
}  # fmt: skip
"""Bits of whole numbers that count; a counter begins again at 0 when they are used up."""


class OpcUa:
    """Writes verdicts to nodes of a server of OPC UA.

    Each node keeps its own type: a score may be a Double, a Float or a String, a counter any whole number.

    Args:
        url: as `iad.serve.sinks.link.Link`.
        nodes: as `nodes_of`.

    Raises:
        IadError: as both.

    Attributes:
        name: as in `iad.serve.sinks.delivery.Receiver`.
        target: as there.
        fresh_seconds: as there.
    """

    fresh_seconds: float | None = 5.0

    def __init__(self, url: str, nodes: str) -> None:
        self._link, self._ids = Link(url), nodes_of(nodes)
        self._types: dict[str, ua.VariantType] = {}
        self._beaten, self._beats = -math.inf, 0
        self.name = f"opcua: {url}"
        self.target = hashlib.sha256(f"{url} {nodes}".encode()).hexdigest()

    def send(self, entry: Entry) -> None:
        """As `iad.serve.sinks.delivery.Receiver`."""
        self.greet()
        values = {name: value(entry) for name, value in VALUES.items()}
        self._write({name: value for name, value in values.items() if name != "Counter"})
        self._write({"Counter": values["Counter"]})

    def greet(self) -> None:
        """As `iad.serve.sinks.delivery.Receiver`: the nodes are known, and the heart beats."""
        if not self._link.stands:
            self._types = self._link.do(self._found)
        if time.monotonic() - self._beaten >= BEAT_SECONDS:
            self._beats += 1
            self._write({HEARTBEAT: self._beats})
            self._beaten = time.monotonic()

    def close(self) -> None:
        """Take leave."""
        self._link.close()

    async def _found(self, client: Client) -> dict[str, ua.VariantType]:
        """Types of the nodes that the server has."""
        found = {}
        for name, node in self._ids.items():
            try:
                found[name] = await client.get_node(node).read_data_type_as_variant_type()
            except (ua.uaerrors.BadNodeIdUnknown, ua.uaerrors.BadAttributeIdInvalid):
                if name in NEEDED:
                    raise AwayError(f"has no node {node} for {name}; name its nodes with --opcua-nodes") from None
        return found

    def _write(self, values: Mapping[str, Any]) -> None:
        there = {name: value for name, value in values.items() if name in self._types}
        if there:
            self._link.do(lambda client: self._written(client, there))

    async def _written(self, client: Client, values: Mapping[str, Any]) -> None:
        nodes = [client.get_node(self._ids[name]) for name in values]
        # without a time of our own, which some controllers refuse
        data = [ua.DataValue(as_variant(value, self._types[name])) for name, value in values.items()]
        for name, status in zip(
            values, await client.write_values(nodes, data, raise_on_partial_error=False), strict=True
        ):
            if not status.is_good():
                raise AwayError(f"does not let {self._ids[name]} be written ({status.name}); check the user's rights")


def as_variant(value: Any, kind: ua.VariantType) -> ua.Variant:
    """A value in the type of a node.

    >>> as_variant(70_000, ua.VariantType.UInt16).Value, as_variant(True, ua.VariantType.Int16).Value
    (4464, 1)
    >>> as_variant(0.5, ua.VariantType.String).Value, as_variant("x", ua.VariantType.Float).Value
    ('0.5', nan)
    """
    if kind in WHOLE:
        return ua.Variant(int(value) % 2 ** WHOLE[kind] if _is_number(value) else 0, kind)
    if kind in (ua.VariantType.Float, ua.VariantType.Double):
        return ua.Variant(float(value) if _is_number(value) else math.nan, kind)
    if kind == ua.VariantType.Boolean:
        return ua.Variant(bool(int(value) % 2) if _is_number(value) else bool(value), kind)
    return ua.Variant(str(value), ua.VariantType.String)


def nodes_of(given: str) -> dict[str, str]:
    """Ids of nodes by the names of what they hold.

    Args:
        given: an id with {} in the place of the name, as ns=2;s=Line1.{}; or a TOML file of lines NAME = "ID".

    Raises:
        IadError: if it is neither, an id is none, or a needed one is missing.

    >>> nodes_of("ns=2;s=Line1.{}")["Rejected"]
    'ns=2;s=Line1.Rejected'
    """
    found = {name: given.replace("{}", name) for name in NAMES} if "{}" in given else _from_file(Path(given))
    for name, node in found.items():
        if name not in NAMES:
            raise unknown("name of a node", name, NAMES)
        try:
            ua.NodeId.from_string(node)
        except (ua.UaError, ValueError, TypeError):
            raise IadError(f"--opcua-nodes: '{node}' is no id of a node; write it as ns=2;s=Line1.{name}") from None
    if missing := [name for name in NEEDED if name not in found]:
        raise IadError(f"--opcua-nodes {given}: names no node for {' and '.join(missing)}, which a controller needs")
    return found


def _from_file(path: Path) -> dict[str, str]:
    try:
        return {name: str(node) for name, node in tomllib.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no TOML"
        raise IadError(f"--opcua-nodes {path}: cannot be read ({why}); give an id with {{}} or a TOML file") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not (isinstance(value, float) and not math.isfinite(value))
