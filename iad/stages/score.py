"""Stage `score`: one anomaly score per picture, from one method."""

from __future__ import annotations

from typing import Annotated

import typer


def score(method: Annotated[str, typer.Argument(help="A key of `methods` in params.yaml.")]) -> None:
    """Fit one method to good pictures, and score the test pictures and, out of sample, good ones with it."""
    from iad.config import load_params
    from iad.pipeline.scoring import score_method

    score_method(load_params(), method)
