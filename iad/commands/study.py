"""`iad study`: whether a bundle can be trusted with a line, as a page that a quality engineer can sign."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from iad.commands.bundle import Device, Force, Weights
from iad.errors import IadError, rule_of

if TYPE_CHECKING:
    from iad.acceptance import Criteria

REFUSED = 3  # exit code

app = typer.Typer(add_completion=False, no_args_is_help=True)

Confidence = Annotated[float, typer.Option(help="Of intervals, and of what is shown, in percent.")]


@app.callback()
def study() -> None:
    """Show whether a bundle can be trusted: repeated pictures of the same parts, and a page to sign."""


@app.command()
def run(
    bundle: Annotated[Path, typer.Argument(help="A bundle.", show_default=False)],
    pictures: Annotated[
        Path, typer.Argument(help="A CSV with path, part, ...; or a folder of PART/picture.", show_default=False)
    ],
    out: Annotated[
        list[Path] | None, typer.Option(help="The page, .html or .pdf; or a table of scores, .csv, .jsonl, .parquet.")
    ] = None,
    grr: Annotated[str, typer.Option(help="%GRR: good up to / accepted up to.")] = "10/30",
    kappa: Annotated[str, typer.Option(help="Kappa: good from / accepted from.")] = "0.9/0.75",
    ndc: Annotated[int, typer.Option(help="Distinct categories, at least.")] = 5,
    missed: Annotated[float | None, typer.Option(help="Percent of defective parts that may be missed.")] = None,
    false_alarms: Annotated[float | None, typer.Option(help="Percent of good parts that may be rejected.")] = None,
    confidence: Confidence = 95,
    tolerance: Annotated[float | None, typer.Option(help="Width of what is allowed, in units of the score.")] = None,
    changed: Annotated[
        Literal["each", "first", "none"],
        typer.Option(help="Inspect changed forms of each picture, of the first of each part, or of none."),
    ] = "each",
    force: Force = False,
    weights: Weights = "",
    device: Device = "auto",
) -> None:
    """Study a bundle with repeated pictures of the same parts: gauge R&R of the score, agreement of the verdicts.

    Exit code:
    0 - accepted, perhaps with conditions
    3 - not accepted
    1 - refused: nothing was studied
    2 - the command was written wrongly
    """
    from iad.acceptance.making import make_study
    from iad.acceptance.sheet import sheet_lines
    from iad.commands._shown import show_lines

    limits = _criteria(grr, kappa, ndc, missed, false_alarms, confidence)
    sheet, accepted = make_study(
        bundle, pictures, limits, outs=out or [], tolerance=tolerance, changed=changed, force=force, weights=weights,
        device=device,
    )  # fmt: skip
    show_lines(sheet_lines(sheet))
    if not accepted:
        raise typer.Exit(REFUSED)


@app.command()
def parts(confidence: Confidence = 95) -> None:
    """Say how many parts show that at most so many are missed, or rejected wrongly."""
    from iad.acceptance.sheet import block_lines, needed_block
    from iad.commands._shown import show_lines

    if not 0 < confidence < 100:
        raise IadError(f"--confidence {confidence:g}: percent between 0 and 100, as 95")
    show_lines(block_lines(needed_block(confidence / 100)))


def _criteria(
    grr: str, kappa: str, ndc: int, missed: float | None, false_alarms: float | None, confidence: float
) -> Criteria:
    from pydantic import ValidationError

    from iad.acceptance import Criteria

    try:
        return Criteria(
            grr=_pair("grr", grr), kappa=_pair("kappa", kappa), ndc=ndc, missed=missed, false_alarms=false_alarms,
            confidence=confidence / 100,
        )  # fmt: skip
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-") if first["loc"] else ""
        where = f"--{option}: " if option else ""
        raise IadError(f"{where}{rule_of(first)}") from None


def _pair(name: str, text: str) -> tuple[float, float]:
    good, _, accepted = text.partition("/")
    try:
        return float(good), float(accepted or good)
    except ValueError:
        raise IadError(f"--{name} {text}: give two numbers, as 10/30, or one") from None
