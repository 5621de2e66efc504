"""The table of results, from the files that `evaluate` wrote."""

from __future__ import annotations

from typing import Annotated

import typer

from iad import paths
from iad.errors import IadError
from iad.io import read_json
from iad.progress import say
from iad.report.results_table import (
    comparison_table,
    costs_table,
    localization_note,
    localization_table,
    results_rows,
)
from iad.report.tables import as_markdown, as_text


def results(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
) -> None:
    """Print the last results: metrics, how well maps localise, real differences, costs, and where the plots are."""
    if not paths.REPORT.is_file():
        raise IadError(f"{paths.REPORT}: no results here yet; run `dvc repro` in the repository's top folder first")
    report = read_json(paths.REPORT)
    metrics = {method: read_json(paths.METRICS / f"{method}.json") for method in report["methods"]}
    drawn = as_markdown if markdown else as_text
    say(drawn(*results_rows(report, metrics)))
    if note := localization_note(report):
        say(f"\n{note}")
    for table in filter(None, (localization_table(report), comparison_table(report), costs_table(report))):
        title, header, rows = table
        say(f"\n{title}\n\n{drawn(header, rows)}")
    if not markdown:
        say(f"\nplots: {paths.OVERVIEW}, and more in {paths.PLOTS}; in the browser: dvc plots show --open")
