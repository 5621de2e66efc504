"""`iad tune`: options of patch methods chosen by the good training pictures alone."""

from __future__ import annotations

from typing import Annotated

import typer


def tune(
    minutes: Annotated[float, typer.Option(min=0.1, max=1440, help="That the search may take.")] = 15.0,
    write: Annotated[bool, typer.Option("--write", help="Write what was chosen into params.yaml.")] = False,
) -> None:
    """Choose size, method, layers and aggregation for the product of params.yaml, and look at no test picture.

    Good training pictures are compared with copies of others among them on which defects are painted. Nothing is
    written without --write.
    """
    from iad.commands._shown import show_lines
    from iad.config import load_params
    from iad.presets import write_values
    from iad.tune.report import report_lines
    from iad.tune.tuning import Run

    params = load_params()
    found = Run(params, minutes).search()
    show_lines(report_lines(found))
    if write:
        changes = write_values(found.settings(params), "iad tune")
        show_lines(["params.yaml now has:", *(f"  {line}" for line in changes)] if changes else ["params.yaml stays"])
