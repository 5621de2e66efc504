"""Stage `extract_vit`: pooled features of the ViT backbone."""

from __future__ import annotations

from iad import paths
from iad.config import load_params
from iad.stages._extract import extract


def extract_vit() -> None:
    """Compute ViT features of every picture."""
    params = load_params()
    extract(params, params.vit, paths.EXTRACT_VIT)
