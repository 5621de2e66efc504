"""`iad results`: the table of results, from the files that `evaluate` wrote."""

from __future__ import annotations

from typing import Annotated

import typer


def results(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
) -> None:
    """Print the last results: metrics, how well maps localise, real differences, costs, and where the plots are."""
    from iad.progress import say
    from iad.report.results_table import last_results

    say(last_results("markdown" if markdown else "text"))
