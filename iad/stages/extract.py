"""Stage `extract`: embeddings of every picture by a further backbone, an entry of `backbones` in params.yaml."""

from __future__ import annotations

from typing import Annotated

import typer


def extract(name: Annotated[str, typer.Argument(help="A key of `backbones` in params.yaml.")]) -> None:
    """Embed every picture with a further backbone."""
    from iad import paths
    from iad.config import load_params
    from iad.errors import unknown
    from iad.pipeline.embedding import embed_pictures

    params = load_params()
    if name not in params.backbones:
        raise unknown("backbone", name, params.backbones)
    embed_pictures(params, params.backbones[name], paths.EXTRACT / name, section=f"backbones.{name}")
