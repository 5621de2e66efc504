"""`iad gate`: is what lies in the working tree worse than the results of another Git revision?"""

from __future__ import annotations

from typing import Annotated

import typer


def gate(
    revision: Annotated[str, typer.Argument(help="Commit, branch, tag or experiment; default: the main branch.")] = "",
) -> None:
    """Compare the results here with those of a Git revision; exit with 1 if they are worse than chance explains."""
    from iad.config import load_params
    from iad.gate.comparison import compare_with
    from iad.gate.report import gate_report
    from iad.progress import say

    params = load_params()
    text, failed = gate_report(compare_with(revision, params), params.gate.significance)
    say(text)
    if failed:
        raise typer.Exit(1)
