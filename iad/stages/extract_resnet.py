"""Stage `extract_resnet`: embeddings of every picture by the CNN backbone."""

from __future__ import annotations

from iad.paths import EXTRACT_RESNET


def extract_resnet() -> None:
    """Embed every picture with the CNN backbone."""
    from iad.config import load_params
    from iad.pipeline.extracting import extract_embeddings

    extract_embeddings(load_params(), "resnet", EXTRACT_RESNET)
