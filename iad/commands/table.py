"""`iad table`: finished experiments in one table, a row per category and a column per method."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import typer

from iad.config import load_params
from iad.errors import IadError, unknown
from iad.gate.finished import Run, finished_runs
from iad.progress import say
from iad.report.categories import TITLES, Cell, category_cells, category_rows
from iad.report.options import Evaluate
from iad.report.tables import as_markdown, as_text
from iad.serving.flat import flat

CSV_HEADER = ("category", "method", "metric", "value", "low", "high")
SHOWN_KEYS = 5


def table(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Experiments, branches or commits; without them, the workspace and all experiments."),
    ] = None,
    metric: Annotated[str, typer.Option(help=f"One of {', '.join(TITLES)}.")] = "auroc",
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one CSV line per category and method.")] = False,
) -> None:
    """Sum up finished experiments: one row per category, one column per method, and the mean."""
    if metric not in TITLES:
        raise unknown("metric", metric, TITLES)
    params = load_params()
    runs, notes = finished_runs(names or [])
    if not runs:
        raise IadError(f"no results to sum up ({'; '.join(notes) or 'no run'}); see README.md, section All categories")
    chosen, notes = newest_by_category(runs, notes)
    results = {category: run.methods for category, run in chosen.items()}
    evaluate = params.evaluate
    cells = category_cells(results, metric, draws=evaluate.bootstrap, confidence=evaluate.confidence, seed=params.seed)
    if as_csv:
        say(_csv(cells, metric))
        return
    say((as_markdown if markdown else as_text)(*category_rows(cells, _pictures(chosen))))
    lines = [_legend(metric, len(chosen), evaluate), *_origins(chosen), *differences(chosen), *notes]
    say("\n" + "\n".join(f"- {line}" if markdown else line for line in lines))


def newest_by_category(runs: Sequence[Run], notes: Sequence[str]) -> tuple[dict[str, Run], list[str]]:
    """The first run of each category, by its name in alphabetical order, and the notes with one on those left out."""
    first: dict[tuple[str, str], Run] = {}
    older = [run.name for run in runs if first.setdefault(run.category, run) is not run]
    several = len({source for source, _ in first}) > 1
    chosen = {"/".join(key) if several else key[1]: run for key, run in sorted(first.items(), key=lambda item: item[0])}
    note = f"of a category already in the table, so left out: {', '.join(older)} (name the runs to choose others)"
    return chosen, [*notes, *([note] if older else [])]


def differences(chosen: Mapping[str, Run]) -> Iterator[str]:
    """A line per parameter that differs between the categories, apart from the sections `data` and `methods`."""
    params = {category: flat(run.params) for category, run in chosen.items()}
    keys = dict.fromkeys(
        key for leaves in params.values() for key in leaves if not key.startswith(("data.", "methods."))
    )
    differing = [key for key in keys if len({str(leaves.get(key)) for leaves in params.values()}) > 1]
    for key in differing[:SHOWN_KEYS]:
        values = ", ".join(f"{category} {leaves.get(key, 'none')}" for category, leaves in params.items())
        yield f"categories differ in {key}: {values}"
    if len(differing) > SHOWN_KEYS:
        yield f"categories differ in {len(differing) - SHOWN_KEYS} more parameters"


def _legend(metric: str, categories: int, evaluate: Evaluate) -> str:
    if not evaluate.bootstrap:
        return f"{TITLES[metric]}; no intervals, since evaluate.bootstrap is 0"
    return (
        f"{TITLES[metric]} with {100 * evaluate.confidence:g} % intervals over test pictures, "
        f"{evaluate.bootstrap:,} stratified draws in each of {categories} categories"
    )


def _origins(chosen: Mapping[str, Run]) -> list[str]:
    return ["rows come from: " + ", ".join(f"{category} from {run.name}" for category, run in chosen.items())]


def _pictures(chosen: Mapping[str, Run]) -> dict[str, tuple[int, int]]:
    labels = {category: next(iter(run.methods.values())).labels for category, run in chosen.items() if run.methods}
    return {category: (int((found == 0).sum()), int((found == 1).sum())) for category, found in labels.items()}


def _csv(cells: Mapping[str, Mapping[str, Cell]], metric: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for category, row in cells.items():
        for method, cell in row.items():
            numbers = [None if value is None else round(value, 6) for value in (cell.value, cell.low, cell.high)]
            writer.writerow((category, method, metric, *numbers))
    return text.getvalue().rstrip("\n")
