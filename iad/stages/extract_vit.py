"""Stage `extract_vit`: embeddings of every picture by the vision transformer."""

from __future__ import annotations

from iad.paths import EXTRACT_VIT


def extract_vit() -> None:
    """Embed every picture with the vision transformer."""
    from iad.config import load_params
    from iad.pipeline.extracting import extract_embeddings

    extract_embeddings(load_params(), "vit", EXTRACT_VIT)
