"""The `compute` section of params.yaml, applied."""

from __future__ import annotations

from iad import compute
from iad.config import Params


def start_compute(params: Params) -> compute.Runtime:
    """Choose device, precision and threads for this stage, and seed PyTorch."""
    chosen = params.compute
    return compute.start(device=chosen.device, precision=chosen.precision, threads=chosen.threads, seed=params.seed)
