"""`iad predict`: pictures inspected with a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iad.commands.bundle import Device, Force, Weights, require_free
from iad.progress import say

REJECTED, UNREAD = 3, 4  # exit codes


def predict(
    bundle: Annotated[Path, typer.Argument(help="A bundle.", show_default=False)],
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="A table of verdicts: .csv, .jsonl or .parquet.")] = None,
    maps: Annotated[Path | None, typer.Option(help="A folder for each picture under the colours of its map.")] = None,
    force: Force = False,
    weights: Weights = "",
    device: Device = "auto",
) -> None:
    """Inspect pictures with a bundle: score, p-value and verdict of each.

    A picture that cannot be read is told and passed over. Exit code: 0 if all passed, 3 if one or more were rejected,
    4 if none was but one or more could not be read; 1 if nothing could be inspected, 2 for wrong usage.
    """
    from iad.commands._shown import verdict_lines
    from iad.verdicts import inspect

    for place in (out, maps):
        require_free(place, force)
    verdicts, threshold = inspect(bundle, pictures, out=out, maps=maps, weights=weights, device=device)
    say("\n".join(verdict_lines(verdicts, threshold, table=out is None)))
    if any(one.rejected for one in verdicts):
        raise typer.Exit(REJECTED)
    if any(one.error for one in verdicts):
        raise typer.Exit(UNREAD)
