"""Stage `extract`: embeddings of every picture by a further backbone, an entry of `backbones` in params.yaml."""

from __future__ import annotations

from typing import Annotated

import typer

from iad.paths import EXTRACT


def extract(name: Annotated[str, typer.Argument(help="A key of `backbones` in params.yaml.")]) -> None:
    """Embed every picture with a further backbone."""
    from iad.config import load_params
    from iad.pipeline.extracting import extract_embeddings

    extract_embeddings(load_params(), f"backbones.{name}", EXTRACT / name)
