"""`iad preset`: write a named set of values into `params.yaml`."""

from __future__ import annotations

from typing import Annotated

import typer

from iad.progress import say


def preset(
    name: Annotated[str, typer.Argument(help="The preset to write; without it, all are listed.")] = "",
) -> None:
    """Write a named set of values into params.yaml and keep its comments; without a name, list the sets."""
    from iad.paths import PARAMS
    from iad.presets import preset_titles, write_preset

    if not name:
        say("\n".join(f"{known:<10} {title}" for known, title in preset_titles().items()))
    elif changes := write_preset(name):
        say("\n  ".join([f"{PARAMS} now equals preset '{name}':", *changes]))
    else:
        say(f"{PARAMS} already equals preset '{name}'")
