"""A backbone cut short: the layers behind the last one that is used need not be there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from iad.errors import IadError


def keep_layers(module: torch.nn.Module, name: str, depth: int) -> None:
    """Keep the first layers of a timm model and drop the others; its norm stays, a convolution behind them goes.

    Args:
        module: a timm model.
        name: its name, for refusals.
        depth: layers to keep: blocks of a transformer, stages of a CNN (the first is its stem where timm says so), as
            patch layers are counted.

    Raises:
        IadError: if the model cannot be cut, or has fewer layers.
    """
    model: Any = module
    if not hasattr(model, "prune_intermediate_layers"):
        raise IadError(f"depth = {depth}: {name} cannot be cut short; use null, which keeps all of it")
    layers = len(model.feature_info)
    if not 1 <= depth <= layers:
        raise IadError(f"depth = {depth}: {name} has {layers} layers; use 1 to {layers}, or null for all")
    if depth < layers:
        model.prune_intermediate_layers([depth - 1])


def drop_unused(module: torch.nn.Module, name: str, layers: Sequence[int]) -> None:
    """Drop the layers behind the deepest of these, where the model can be cut; the features of these do not change."""
    if hasattr(module, "prune_intermediate_layers"):
        keep_layers(module, name, max(layers) + 1)
