"""`iad serve`: a server that inspects pictures which programs send."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer

from iad.commands._drift import AlarmRate, Defects
from iad.commands.bundle import Device, Weights
from iad.commands.watch import Log
from iad.errors import IadError
from iad.serve.drift import ALARM_RATE, DEFECTS


def serve(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles; each is called by its file's name.")],
    log: Log = Path("verdicts.db"),
    host: Annotated[str, typer.Option(help="Where to listen; any but this computer wants IAD_API_KEY set.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 8000,
    most_waiting: Annotated[int, typer.Option(min=1, help="Pictures of a bundle that may wait.")] = 256,
    shadow: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE: a bundle that judges beside NAME without a say.")
    ] = None,
    alarm_rate: AlarmRate = ALARM_RATE,
    defects: Defects = DEFECTS,
    page: Annotated[bool, typer.Option(help="The inspection page for people, at /; needs the extra `page`.")] = True,
    pictures: Annotated[
        list[Path] | None, typer.Option(help="A folder whose pictures the page may show and judge; several times.")
    ] = None,
    weights: Weights = "",
    device: Device = "auto",
) -> None:
    """Answer programs that send pictures: POST /v1/predict, until Ctrl-C; what was accepted is finished then.

    Needs the extra `serve` of this package. Every verdict is in the log before its sender has it.
    """
    from iad.serve.http.keys import key_in_use

    key = key_in_use()
    _require_key(host, key)
    try:
        from iad.serve.http.hosting import host_bundles
    except ModuleNotFoundError as missing:
        raise IadError(f"iad serve needs the package {missing.name}; install iad[serve]") from None

    host_bundles(
        bundles, log, host=host, port=port, key=key, most_waiting=most_waiting, shadows=shadow or [],
        alarm_rate=alarm_rate, defects=defects,
        weights=weights, device=device, page=page, pictures=pictures or [],
    )  # fmt: skip


def _require_key(host: str, key: str) -> None:
    """Refuse to be reached by other computers without a key.

    >>> _require_key("0.0.0.0", "")
    Traceback (most recent call last):
    iad.errors.IadError: --host 0.0.0.0: other computers could send pictures; set IAD_API_KEY to a long secret first
    """
    from iad.serve.http import KEY

    try:
        here = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        here = False
    if not here and not key:
        raise IadError(f"--host {host}: other computers could send pictures; set {KEY} to a long secret first")
