"""`iad kinds`: what named kinds of defects look like, from a few examples of each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iad.commands.bundle import Device, File, Force, Weights


def kinds(
    bundle: File,
    folder: Annotated[
        Path, typer.Argument(help="A folder with a folder of examples for each kind of defect.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option(help="Write what was learnt to this file; without it, none.")] = None,
    force: Force = False,
    weights: Weights = "",
    device: Device = "auto",
) -> None:
    """Learn kinds of defects from three or more examples of each, and show how well these can be told apart.

    The bundle stays as it is. `iad predict --kinds FILE` then says which kind a rejected part likely has, or that it is
    like none of them.
    """
    from iad.bundles.outputs import require_file, weights_file
    from iad.bundles.predictor import load
    from iad.commands._shown import show_lines
    from iad.kinds.file import learn, learnt_lines, write_kinds

    if out is not None:
        require_file(out, inputs=[bundle, folder, *weights_file(weights)], force=force)
    learnt = learn(load(bundle, device=device, weights=weights), folder)
    show_lines(learnt_lines(learnt))
    if out is not None:
        write_kinds(out, learnt.kinds)
        show_lines([f"{out}: written; `iad predict --kinds {out}` names the kinds of rejected parts"])
