"""Stage `extract_resnet`: embeddings of every picture by the CNN backbone."""

from __future__ import annotations


def extract_resnet() -> None:
    """Embed every picture with the CNN backbone."""
    from iad import paths
    from iad.config import load_params
    from iad.pipeline.embedding import embed_pictures

    params = load_params()
    embed_pictures(params, params.resnet, paths.EXTRACT_RESNET, section="resnet")
