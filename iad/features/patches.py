"""Patch embeddings of a frozen backbone: what it sees at each location of a picture.

Several layers may be joined. Each is averaged over its neighbourhood (PatchCore, Roth et al. 2022, section 3.1),
brought to the grid of the coarsest layer chosen, scaled to unit length, and put beside the others, so that every layer
weighs the same in a Euclidean distance. A transformer's class and register tokens are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from iad.errors import IadError


def run_network(
    module: torch.nn.Module, pixels: torch.Tensor, layers: Sequence[int], *, last: bool = True
) -> tuple[torch.Tensor | None, list[torch.Tensor]]:
    """One pass through a timm model.

    Args:
        module: the model.
        pixels: float32 `(B, 3, S, S)`, normalised.
        layers: numbers of blocks of a transformer, or of stages of a CNN, from 0, ascending.
        last: whether the last layer is wanted; if not, the pass ends behind the deepest of `layers`.

    Returns:
        The last layer as `forward_features` gives it, or None, and the chosen layers, each `(B, C, h, w)`.

    >>> import timm
    >>> module = timm.create_model("test_resnet", num_classes=0)
    >>> last, layers = run_network(module, torch.zeros(1, 3, 64, 64), [1, 2])
    >>> tuple(last.shape), [tuple(layer.shape) for layer in layers]
    ((1, 96, 2, 2), [(1, 32, 16, 16), (1, 48, 8, 8)])
    """
    network: Any = module
    if not layers:
        return network.forward_features(pixels) if last else None, []
    if last:
        found: tuple[torch.Tensor, list[torch.Tensor]] = network.forward_intermediates(pixels, indices=list(layers))
        return found
    return None, network.forward_intermediates(pixels, indices=list(layers), stop_early=True, intermediates_only=True)


def blank_pass(
    module: torch.nn.Module, name: str, blank: torch.Tensor, layers: Sequence[int]
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """What `run_network` gives, once it is sure that the model has these layers.

    Args:
        module: a timm model.
        name: its name, for refusals.
        blank: float32 `(1, 3, S, S)`, of any values.
        layers: as for `run_network`.

    Raises:
        IadError: if the model does not offer intermediate layers, or not these.
    """
    network: Any = module
    if not layers:
        return network.forward_features(blank), []
    if not hasattr(network, "forward_intermediates"):
        raise IadError(f"patches.layers: {name} does not show its layers; choose another model")
    last, every = network.forward_intermediates(blank)
    if wrong := [layer for layer in layers if not 0 <= layer < len(every)]:
        raise IadError(f"patches.layers: no layer {wrong[0]} in {name}; it has 0 to {len(every) - 1}")
    return last, [every[layer] for layer in layers]


def join_layers(layers: Sequence[torch.Tensor], neighbourhood: int) -> torch.Tensor:
    """Join layers `(B, C, h, w)` into patch embeddings, float32 `(B, h, w, D)`, each layer's part of unit length.

    Args:
        layers: one tensor per layer; finer ones are averaged over the locations of the coarsest grid.
        neighbourhood: odd side of the square, on the layer's own grid, that each location is averaged over.

    >>> fine, coarse = torch.ones(1, 4, 6, 6), torch.ones(1, 9, 3, 3)
    >>> joined = join_layers([fine, coarse], 3)
    >>> tuple(joined.shape), round(float(joined[0, 0, 0, 0]), 4), round(float(joined[0, 0, 0, 4]), 4)
    ((1, 3, 3, 13), 0.5, 0.3333)
    """
    coarsest = min(((layer.shape[-2], layer.shape[-1]) for layer in layers), key=lambda grid: grid[0] * grid[1])
    joined = []
    for layer in layers:
        found = layer.float()
        if neighbourhood > 1:
            found = functional.avg_pool2d(found, neighbourhood, 1, neighbourhood // 2, count_include_pad=False)
        if tuple(found.shape[-2:]) != coarsest:
            found = functional.adaptive_avg_pool2d(found, coarsest)
        joined.append(functional.normalize(found, dim=1))
    return torch.cat(joined, dim=1).permute(0, 2, 3, 1)
