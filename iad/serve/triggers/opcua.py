"""Frames asked for by a plant's control system: when a node becomes true, or when its number changes."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from asyncua import Client, ua

from iad.errors import IadError
from iad.serve.sinks.delivery import AwayError
from iad.serve.sinks.link import Link
from iad.serve.triggers.shots import Asked, Shot

PERIOD_MS = 10.0  # that the server looks at the node
LOOK_SECONDS, AGAIN_SECONDS = 0.5, 2.0


class OpcUaTrigger(Asked):
    """Watches a node: a Boolean asks when it becomes true, a number whenever it changes, such as a counter of parts.

    Its value at the start asks for nothing. While the server is away a counter may go on; parts that passed meanwhile
    were not seen, and that is told.

    Args:
        url: as `iad.serve.sinks.link.Link`.
        node: its id.
        tell: called with a line when the server is away, when it is back, and of what was missed.

    Raises:
        IadError: if one of them is none.
    """

    def __init__(self, url: str, node: str, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._link, self._node, self._tell = Link(url), node, tell
        try:
            ua.NodeId.from_string(node)
        except (ua.UaError, ValueError, TypeError):
            raise IadError(f"--trigger opcua:{node}: no id of a node; write it as opcua:ns=2;s=Line1.Trigger") from None
        self._before: Any = None
        self._first = True  # value since the connection stands, which asks for nothing
        self._away = False
        self._end = Event()
        self._thread = Thread(target=self._run, name="trigger", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """As `iad.serve.triggers.shots.Trigger`."""
        self._end.set()
        self._thread.join(LOOK_SECONDS + 1)

    def datachange_notification(self, _node: Any, value: Any, _data: Any) -> None:
        """Called by the connection with each new value of the node."""
        before, self._before = self._before, value
        if self._first:
            self._first = False
            if before is not None and value != before and not isinstance(value, bool):
                self._tell(f"trigger: was at {before} and is at {value}; parts in between were not seen")
            return
        if value == before or (isinstance(value, bool) and not value):
            return
        if not self.ask(Shot()):
            self._tell("trigger: parts come faster than they are judged; one was not seen")

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                if not self._link.stands:
                    self._link.do(self._subscribed)
                    self._note_back()
                else:
                    self._link.do(self._looked)
            except AwayError as why:
                if not self._away:
                    self._tell(f"trigger: {self._link.url}: {why}; waiting for it")
                self._away = True
            self._end.wait(AGAIN_SECONDS if self._away else LOOK_SECONDS)
        self._link.close()

    async def _looked(self, client: Client) -> None:
        """See that the connection stands."""
        await client.get_node(ua.ObjectIds.Server_ServerStatus_State).read_value()

    async def _subscribed(self, client: Client) -> None:
        self._first = True
        seeing = await client.create_subscription(PERIOD_MS, self)
        await seeing.subscribe_data_change(client.get_node(self._node), queuesize=100)

    def _note_back(self) -> None:
        if self._away:
            self._tell(f"trigger: {self._link.url}: answers again")
        self._away = False
