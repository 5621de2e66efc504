"""`iad predict`: pictures inspected with a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iad.commands.bundle import Device, Force, Weights
from iad.errors import IadError

REJECTED, UNREAD, OPEN = 3, 4, 5  # exit codes


def predict(
    bundle: Annotated[Path, typer.Argument(help="A bundle; with --server the name of one there.", show_default=False)],
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="A table of verdicts: .csv, .jsonl or .parquet.")] = None,
    maps: Annotated[Path | None, typer.Option(help="A folder for each picture under the colours of its map.")] = None,
    server: Annotated[str, typer.Option(help="Let a server of `iad serve` inspect them; IAD_API_KEY is its key.")] = "",
    force: Force = False,
    weights: Weights = "",
    device: Device = "auto",
) -> None:
    """Inspect pictures with a bundle: score, p-value and verdict of each, on the screen or in a table (--out).

    A picture that cannot be read is told and passed over.

    Exit code:
    0 - every picture passed
    3 - one or more were rejected
    4 - none was rejected, but one or more could not be read
    5 - no verdict: the bundle has too few good pictures, and gives p-values alone
    1 - refused: nothing was inspected
    2 - the command was written wrongly
    """
    from iad.bundles.verdicts import inspect
    from iad.commands._shown import show_lines, verdict_lines
    from iad.serve.http.client import inspect_there

    if server:
        _refuse_local(maps=maps, weights=weights, device=device)
        found = inspect_there(server, str(bundle), pictures, out=out, force=force)
    else:
        found = inspect(bundle, pictures, out=out, maps=maps, force=force, weights=weights, device=device)
    show_lines(verdict_lines(found, table=out is None))
    if any(one.rejected for one in found.verdicts):
        raise typer.Exit(REJECTED)
    if any(one.error for one in found.verdicts):
        raise typer.Exit(UNREAD)
    if found.open:
        raise typer.Exit(OPEN)


def _refuse_local(*, maps: Path | None, weights: str, device: str) -> None:
    """Refuse what only this computer could do where a server does the work."""
    given = {"--maps": maps is not None, "--weights": bool(weights), "--device": device != "auto"}
    if named := next((name for name, there in given.items() if there), None):
        raise IadError(f"{named} with --server: the server has its own, and gives no maps; leave it out")
