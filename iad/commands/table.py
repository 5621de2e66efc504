"""`iad table`: finished experiments in one table, a row per category and a column per method."""

from __future__ import annotations

from typing import Annotated

import typer

METRICS = "auroc, average_precision, f1, precision, recall, false_alarm_rate or balanced_accuracy"


def table(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Experiments, branches or commits; without them, the workspace and all experiments."),
    ] = None,
    metric: Annotated[str, typer.Option(help=f"One of {METRICS}.")] = "auroc",
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one CSV line per category and method.")] = False,
) -> None:
    """Sum up finished experiments: one row per category, one column per method, and the mean."""
    from iad.config import load_params
    from iad.gate.experiments import experiments_table
    from iad.progress import say

    params = load_params()
    evaluate, style = params.evaluate, "csv" if as_csv else "markdown" if markdown else "text"
    options = {"draws": evaluate.bootstrap, "confidence": evaluate.confidence, "seed": params.seed}
    say(experiments_table(names or [], metric, style=style, **options))
