"""`iad watch`: pictures inspected as a camera's program drops them into a folder, or as a camera takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iad.commands._drift import AlarmRate, Defects
from iad.commands.bundle import Device, Weights
from iad.serve.drift import ALARM_RATE, DEFECTS

Log = Annotated[Path, typer.Option(help="The verdict log, an SQLite file; made if it is not there.")]


def watch(
    bundle: Annotated[Path, typer.Option(help="A bundle.", show_default=False)],
    folder: Annotated[
        Path | None, typer.Argument(help="Where pictures come; folders in it count too.", show_default=False)
    ] = None,
    camera: Annotated[
        str, typer.Option(help="A camera in its place: a number (USB), rtsp://..., aravis:NAME, or a video file.")
    ] = "",
    every: Annotated[float | None, typer.Option(help="Take a frame each time so many seconds have passed.")] = None,
    trigger: Annotated[
        str, typer.Option(help="Take a frame when asked: http[:PORT] for POST /trigger, or opcua:NODE of --opcua.")
    ] = "",
    log: Log = Path("verdicts.db"),
    keep: Annotated[
        Path | None, typer.Option(help="Put pictures into the folders passed, rejected and unread of this folder.")
    ] = None,
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
    once: Annotated[
        bool, typer.Option("--once", help="End when all that is there was inspected; of a camera, after a frame.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print verdicts as JSON, one per line.")] = False,
    weights: Weights = "",
    device: Device = "auto",
) -> None:
    """Inspect pictures as they come into a folder or from a camera, until Ctrl-C.

    Each picture gets one verdict, which is in the log before it is printed, sent, or the picture is moved; after a
    restart a folder goes on where it was. A line says when parts are no longer like the good pictures of the bundle, so
    that its promise does not hold.

    Exit code:
    0 - ended by Ctrl-C or a signal, or with --once when all was inspected
    1 - refused, or stopped since the camera seems broken or the log cannot be written
    2 - the command was written wrongly
    """
    from iad.commands._shown import entry_line
    from iad.progress import say, tell
    from iad.serve import watching
    from iad.words import counted

    source = watching.Source(
        folder=folder, settle=settle, camera=camera, every=every, trigger=trigger, opcua=opcua
    )  # fmt: skip
    sorting = watching.sorting_of({"passed": passed, "rejected": rejected, "unread": unread}, keep, copy=copy)
    done = watching.watch(
        source, bundle, log, lambda entry: say(entry_line(entry, json=json)), tell, sorting=sorting,
        receivers={"webhook": webhook, "mqtt": mqtt, "opcua": opcua, "opcua_nodes": opcua_nodes},
        most_rejected=most_rejected, shadow=shadow, alarm_rate=alarm_rate, defects=defects, once=once,
        weights=weights, device=device,
    )  # fmt: skip
    tell(f"{counted(done, 'picture')} inspected")
