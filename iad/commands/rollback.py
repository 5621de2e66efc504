"""`iad rollback`: the bundle before, back in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def rollback(
    place: Annotated[Path, typer.Argument(help="A bundle that `iad promote` put there.", show_default=False)],
) -> None:
    """Put the bundle that was in this place before back; the one that leaves is kept in the hidden folder beside it."""
    from iad.commands._shown import show_lines
    from iad.serve.swapping import rollback as put_back

    left, back = put_back(place)
    show_lines([f"{place}: {left[:12]} left, {back[:12]} is back"])
