"""`iad promote`: another bundle in the place of one that is at work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def promote(
    new: Annotated[Path, typer.Argument(help="The bundle that is to work; it stays where it is.", show_default=False)],
    place: Annotated[Path, typer.Argument(help="The bundle that it replaces.", show_default=False)],
) -> None:
    """Put a bundle in the place of another; `iad serve` and `iad watch` take it up while they work.

    The old one is kept; `iad rollback` brings it back.
    """
    from iad.commands._shown import show_lines
    from iad.serve.swapping import promote as put

    old, new_digest = put(new, place)
    show_lines([f"{place}: {old[:12]} replaced by {new_digest[:12]}; `iad rollback {place}` brings it back"])
