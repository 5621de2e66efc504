"""Stage `align`: the members of a hybrid on one scale and the same pictures, ready to be fused."""

from __future__ import annotations

from typing import Annotated

import typer


def align(hybrid: Annotated[str, typer.Argument(help="A key of `hybrids` in params.yaml.")]) -> None:
    """Put the scores and maps of a hybrid's members on one scale, for the pictures that all of them scored."""
    from iad.config import load_params
    from iad.pipeline.fusing import align_members

    align_members(load_params(), hybrid)
