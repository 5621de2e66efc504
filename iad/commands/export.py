"""`iad export`: a bundle as a graph for ONNX Runtime or OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iad.commands.bundle import Force, Weights


def export(
    bundle: Annotated[Path, typer.Argument(help="A bundle.", show_default=False)],
    format: Annotated[str, typer.Option(help="onnx or openvino.", show_default=False)],  # noqa: A002  # the option's name
    precision: Annotated[str, typer.Option(help="fp32, or int8: the backbone in 8-bit integers.")] = "fp32",
    out: Annotated[Path | None, typer.Option(help="The folder; without it, BUNDLE-FORMAT beside the bundle.")] = None,
    check: Annotated[Path | None, typer.Option(help="Pictures on which graph and bundle must agree.")] = None,
    calibrate: Annotated[Path | None, typer.Option(help="int8: good pictures, for the ranges of values.")] = None,
    force: Force = False,
    weights: Weights = "",
) -> None:
    """Write a bundle as one graph, from decoded pixels to the verdict, that runs without PyTorch.

    Graph and bundle are compared before anything is written; --check names real pictures for that.
    """
    from iad.commands._shown import show_lines
    from iad.export.check import line
    from iad.export.writing import PROGRAM, export_bundle

    made = export_bundle(
        bundle, format=format, precision=precision, out=out, checked_on=check, calibrated_on=calibrate,
        weights=weights, force=force,
    )  # fmt: skip
    show_lines(
        [
            *(f"not read   {why}" for why in made.unread),
            f"graph      {made.graph} ({made.size / 1e6:.1f} MB), {format}, {precision}",
            f"checked    {line(made.checked)}",
            f"sha256     {made.sha256}",
            f"inspect    python {made.graph.parent / PROGRAM} {made.graph} PICTURES...",
        ]
    )
