"""Stage `extract_vit`: embeddings of every picture by the vision transformer."""

from __future__ import annotations


def extract_vit() -> None:
    """Embed every picture with the vision transformer."""
    from iad import paths
    from iad.config import load_params
    from iad.pipeline.embedding import embed_pictures

    params = load_params()
    embed_pictures(params, params.vit, paths.EXTRACT_VIT, section="vit")
