"""`iad explain`: why pictures got their scores."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iad.commands.bundle import Force, Weights
from iad.explain import GRADIENTS, WAYS
from iad.progress import say, tell

if TYPE_CHECKING:
    from iad.explain.writing import Written

UNREAD = 4  # exit code, as of `iad predict`
ALL = "all"
DEFAULT = [*GRADIENTS, "occlusion"]


def explain(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.", show_default=False)],
    bundle: Annotated[Path, typer.Option(help="A bundle, as `iad bundle` wrote it.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The folder for a sheet of each picture.", show_default=False)],
    method: Annotated[
        list[str] | None, typer.Option(help=f"How: {', '.join(WAYS)}, or all; several times for several.")
    ] = None,
    good: Annotated[Path | None, typer.Option(help="Where the good pictures of the bundle lie.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON, one picture per line.")] = False,
    force: Force = False,
    weights: Weights = "",
) -> None:
    """Explain scores: what raised them, several ways side by side, and which good pictures they were compared with.

    Without --method: gradcam, integrated_gradients and occlusion. A picture that cannot be read is told and passed
    over; the exit code is 4 then.
    """
    from iad.explain.writing import explain_pictures

    asked = [*dict.fromkeys(method or DEFAULT)]
    ways, unread = WAYS if ALL in asked else asked, False
    for one in explain_pictures(bundle, pictures, out=out, ways=ways, good=good, force=force, weights=weights):
        if one.sheet is None:
            tell(f"not read: {one.verdict.error}")
            unread = True
        else:
            for warning in one.warnings:
                tell(f"{one.picture}: {warning}")
            say(json_text.dumps(one.numbers | {"sheet": str(one.sheet)}, allow_nan=False) if json else _line(one))
    if unread:
        raise typer.Exit(UNREAD)


def _line(one: Written) -> str:
    return f"{one.picture}: {one.verdict.said}, score {one.verdict.pred_score:.4f}; {one.sheet}"
