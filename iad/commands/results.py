"""`iad results`: the table of results, from the files that `evaluate` wrote."""

from __future__ import annotations

from typing import Annotated

import typer


def results(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
) -> None:
    """Print the last results: metrics, how well maps localise, real differences, costs, and where the plots are."""
    from iad import paths
    from iad.config import load_params
    from iad.errors import IadError
    from iad.gate.ran import require_fresh
    from iad.progress import say, tell
    from iad.report.results_table import last_results

    say(last_results("markdown" if markdown else "text"))
    if not paths.PARAMS.is_file():
        return
    try:
        require_fresh(load_params())
    except IadError as refusal:
        tell(f"note: {refusal}")
