"""Patch features of a frozen backbone: what it sees at each place of a picture.

Several layers may be joined. Each is averaged over its neighbourhood (PatchCore, Roth et al. 2022, section 3.1),
brought to the grid of the coarsest layer chosen, scaled to unit length, and put beside the others, so that every layer
weighs the same in a Euclidean distance. A transformer's class and register tokens are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from iad.errors import IadError
from iad.features.tiling import Tiles


@dataclass(frozen=True, eq=False)
class PatchWriter:
    """Where patch features go.

    Attributes:
        patches: float16 `(N, h, w, D)`, filled here; may be memory-mapped. The shape follows from `patch_shape`.
        layers: numbers of the layers that are joined.
        neighbourhood: odd side of the square, in places, that each feature is averaged over.
    """

    patches: np.ndarray
    layers: Sequence[int]
    neighbourhood: int

    def write(self, start: int, layers: Sequence[torch.Tensor], tiles: Tiles) -> None:
        """Write the features of the tiles from number `start` on, from their layers `(B, C, h, w)`."""
        joined = join_layers(layers, self.neighbourhood)
        tiles.stitch(joined.to(torch.float16).cpu().numpy(), start, self.patches)


def patch_shape(module: torch.nn.Module, name: str, image_size: int, layers: Sequence[int]) -> tuple[int, int, int]:
    """Grid and length (h, w, D) of the patch features of these layers.

    Args:
        module: a timm model.
        name: its name, for refusals.
        image_size: side of the square pictures in pixels.
        layers: numbers of blocks of a transformer, or of stages of a CNN, from 0.

    Raises:
        IadError: if the model does not offer intermediate layers, or not these.
    """
    if not hasattr(module, "forward_intermediates"):
        raise IadError(f"patches.layers: {name} does not show its layers; choose another model")
    with torch.inference_mode():
        blank = torch.zeros(1, 3, image_size, image_size, device=next(module.parameters()).device)
        _, every = module.forward_intermediates(blank)  # type: ignore[operator]
        if wrong := [layer for layer in layers if not 0 <= layer < len(every)]:
            raise IadError(f"patches.layers: no layer {wrong[0]} in {name}; it has 0 to {len(every) - 1}")
        _, height, width, length = join_layers([every[layer] for layer in layers], 1).shape
    return height, width, length


def layers_of(
    module: torch.nn.Module, pixels: torch.Tensor, layers: Sequence[int]
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The last layer as `forward_features` gives it, and the chosen layers, each `(B, C, h, w)`."""
    if not layers:
        return module.forward_features(pixels), []  # type: ignore[operator]
    last, maps = module.forward_intermediates(pixels, indices=list(layers))  # type: ignore[operator]
    return last, maps


def join_layers(maps: Sequence[torch.Tensor], neighbourhood: int) -> torch.Tensor:
    """Join layers `(B, C, h, w)` into patch features, float32 `(B, h, w, D)`, each layer's part of unit length.

    Args:
        maps: one tensor per layer; finer ones are averaged over the places of the coarsest grid.
        neighbourhood: odd side of the square, in places of the layer's own grid, that each feature is averaged over.
    """
    coarsest = min(((layer.shape[-2], layer.shape[-1]) for layer in maps), key=lambda grid: grid[0] * grid[1])
    joined = []
    for layer in maps:
        found = layer.float()
        if neighbourhood > 1:
            found = functional.avg_pool2d(found, neighbourhood, 1, neighbourhood // 2, count_include_pad=False)
        if tuple(found.shape[-2:]) != coarsest:
            found = functional.adaptive_avg_pool2d(found, coarsest)
        joined.append(functional.normalize(found, dim=1))
    return torch.cat(joined, dim=1).permute(0, 2, 3, 1)
