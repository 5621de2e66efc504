"""Stage `extract_resnet`: pooled features of the CNN backbone."""

from __future__ import annotations

from iad import paths
from iad.config import load_params
from iad.stages._extract import extract


def extract_resnet() -> None:
    """Compute CNN features of every picture."""
    params = load_params()
    extract(params, params.resnet, paths.EXTRACT_RESNET)
