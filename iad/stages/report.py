"""Stage `report`: everything that `evaluate` wrote, as one HTML file that needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iad.paths import PAGE


def report(
    out: Annotated[Path, typer.Option("--out", help="The HTML file, which is replaced.")] = PAGE,
) -> None:
    """Write the last results as one page for the browser: tables, curves to hover over, galleries, parameters."""
    from iad.config import load_params
    from iad.progress import say
    from iad.report.page.page import write_page

    size = write_page(out, load_params())
    say(f"report: {out} ({size / 1e6:.1f} MB); open it in a browser")
