"""`iad watch`: pictures inspected as a camera's program drops them into a folder."""

from __future__ import annotations

from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from iad.commands._drift import AlarmRate, Defects
from iad.commands.bundle import Device, Weights
from iad.errors import IadError
from iad.serve.drift import ALARM_RATE, DEFECTS

Log = Annotated[Path, typer.Option(help="The verdict log, an SQLite file; made if it is not there.")]


def watch(
    folder: Annotated[Path, typer.Argument(help="Where pictures come; folders in it count too.", show_default=False)],
    bundle: Annotated[Path, typer.Option(help="A bundle.", show_default=False)],
    log: Log = Path("verdicts.db"),
    passed: Annotated[Path | None, typer.Option(help="Move pictures that pass to this folder.")] = None,
    rejected: Annotated[Path | None, typer.Option(help="Move pictures that are rejected to this folder.")] = None,
    unread: Annotated[Path | None, typer.Option(help="Move pictures that cannot be read to this folder.")] = None,
    copy: Annotated[bool, typer.Option("--copy", help="Copy them to these folders, and let them stay.")] = False,
    settle: Annotated[float, typer.Option(min=0, help="Seconds for which a file must not change any more.")] = 0.5,
    webhook: Annotated[str, typer.Option(help="Send verdicts to this address; IAD_WEBHOOK_SECRET signs them.")] = "",
    mqtt: Annotated[
        str, typer.Option(help="Publish verdicts: mqtt[s]://HOST:PORT/TOPIC, with IAD_MQTT_USER and IAD_MQTT_PASSWORD.")
    ] = "",
    opcua: Annotated[
        str, typer.Option(help="Write each verdict to a plant's server: opc.tcp://HOST:PORT, see docs/line.md.")
    ] = "",
    opcua_nodes: Annotated[
        str, typer.Option(help="Ids of its nodes, {} standing for Rejected, Score, ...; or a TOML file of them.")
    ] = "ns=2;s=iad.{}",
    most_rejected: Annotated[
        float, typer.Option(min=0, max=1, help="Stop if more than this share of the last 50 is rejected; 1: never.")
    ] = 0.5,
    shadow: Annotated[
        Path | None, typer.Option(help="A second bundle that judges the same parts without a say: see iad log shadow.")
    ] = None,
    alarm_rate: AlarmRate = ALARM_RATE,
    defects: Defects = DEFECTS,
    once: Annotated[bool, typer.Option("--once", help="End when all that is there was inspected.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print verdicts as JSON, one per line.")] = False,
    weights: Weights = "",
    device: Device = "auto",
) -> None:
    """Inspect pictures as they come into a folder, until Ctrl-C; after a restart it goes on where it was.

    Each picture gets one verdict, which is in the log before it is printed, sent, or the picture is moved. A line says
    when parts are no longer like the good pictures of the bundle, so that its promise does not hold.

    Exit code:
    0 - ended by Ctrl-C or a signal, or with --once when all was inspected
    1 - refused, or stopped since the camera seems broken or the log cannot be written
    2 - the command was written wrongly
    """
    from iad.commands._shown import entry_line
    from iad.progress import say, tell
    from iad.serve.folder.following import Follower
    from iad.serve.folder.guard import Guard
    from iad.serve.folder.inbox import Inbox
    from iad.serve.folder.running import alone, run
    from iad.serve.folder.sorting import Sorting
    from iad.serve.folder.watcher import Watcher
    from iad.serve.log import VerdictLog
    from iad.serve.shadow import Shadow
    from iad.serve.sinks.choosing import deliveries
    from iad.serve.swapping import BundleFile, open_bundle
    from iad.words import counted

    named = {"passed": passed, "rejected": rejected, "unread": unread}
    sorting = Sorting({name: path for name, path in named.items() if path is not None}, copy=copy)
    if copy and not sorting.folders:
        raise IadError("--copy without a folder to copy to; name --passed, --rejected or --unread")
    sorting.require_apart(folder)
    inbox = Inbox(folder, settle=settle, outside=list(sorting.folders.values()))
    opened = partial(open_bundle, warn=lambda line: tell(f"warning: {line}"), device=device, weights=weights)
    work = BundleFile(bundle, opened, tell)
    second = None if shadow is None else opened(shadow)
    with VerdictLog(log) as kept, alone(log, folder), ExitStack() as stack:
        watcher = Watcher(work.inspector, work.sha256, inbox, kept, sorting, Guard(most=most_rejected))
        method, threshold = work.inspector.method, work.inspector.threshold
        tell(f"watching {folder} with {method}: rejected from {threshold:.4f} on; log {log}")
        other = None if second is None else stack.enter_context(closing(Shadow(*second, kept)))
        follower = Follower(work, watcher, tell, alarm_rate, defects, other)
        show = partial(entry_line, json=json)
        receivers = deliveries(kept, tell, webhook=webhook, mqtt=mqtt, opcua=opcua, opcua_nodes=opcua_nodes)
        done = run(watcher, lambda entry: say(show(entry)), tell, follower=follower, deliveries=receivers, once=once)
    tell(f"{counted(done, 'picture')} inspected")
