"""`iad data`: what is understood of a folder of pictures, before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Named = Annotated[str, typer.Option(help="As in params.yaml, section data.folder; docs/data.md.", show_default=False)]


def data(
    folder: Annotated[Path, typer.Argument(help="A folder of pictures, such as one below data.", show_default=False)],
    sheet: Annotated[Path | None, typer.Option(help="A PNG with five pictures of each kind and their masks.")] = None,
    copies: Annotated[
        Path | None, typer.Option(help="A CSV in the folder: near copies as groups, for data.folder.groups=table:FILE.")
    ] = None,
    layout: Named = "",
    product: Named = "",
    table: Named = "",
    names: Named = "",
    groups: Named = "",
) -> None:
    """Show what is understood of a folder of pictures: layout, splits, kinds, sizes, masks, groups, and how to run it.

    Nothing is written but what is asked for. What download would refuse is refused here, in the same words. Without a
    params.yaml in the current folder, all parameters have their defaults.
    """
    from iad.commands._shown import show_lines
    from iad.config import default_params, load_params
    from iad.paths import PARAMS
    from iad.pipeline.dataset import look_at

    params = load_params() if PARAMS.is_file() else default_params()
    given = {"layout": layout, "product": product, "table": table, "names": names, "groups": groups}
    show_lines(look_at(folder, params, {name: value for name, value in given.items() if value}, sheet, copies))
