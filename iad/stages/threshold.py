"""Stage `threshold`: the verdict's threshold of one method, from the scores of good pictures alone."""

from __future__ import annotations

from typing import Annotated

import typer


def threshold(method: Annotated[str, typer.Argument(help="A key of `methods` in params.yaml.")]) -> None:
    """Set the threshold of one method from its calibration scores; never sees a test picture."""
    from iad.config import load_params
    from iad.pipeline.thresholds import write_threshold

    write_threshold(load_params(), method)
