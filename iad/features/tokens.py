"""What the last layer of a network holds: prefix tokens, patch tokens, and the grid in which these lie."""

from __future__ import annotations

from math import isqrt
from typing import Any

import torch

from iad.data.image_size import ImageSize
from iad.errors import IadError


def split_tokens(module: torch.nn.Module, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Split the last layer into prefix tokens `(B, P, D)` and patch tokens `(B, T, D)`; a CNN has no prefix, P = 0.

    The class token, where there is one, is the first prefix token; register tokens follow it.

    Args:
        module: a timm model.
        features: what its `forward_features` gives, `(B, P + T, D)`, `(B, D, h, w)` or `(B, h, w, D)`.

    >>> prefix, patches = split_tokens(torch.nn.Identity(), torch.zeros(2, 8, 3, 3))
    >>> tuple(prefix.shape), tuple(patches.shape)
    ((2, 0, 8), (2, 9, 8))
    """
    if features.ndim == 4:
        if getattr(module, "output_fmt", "NCHW") == "NCHW":
            features = features.permute(0, 2, 3, 1)  # (B, h, w, D)
        patches = features.flatten(1, 2)  # (B, h * w, D)
        return patches[:, :0], patches
    prefix = int(getattr(module, "num_prefix_tokens", 0))
    return features[:, :prefix], features[:, prefix:]


def token_grid(module: torch.nn.Module, features: torch.Tensor, size: ImageSize) -> tuple[int, int] | None:
    """Rows and columns in which the patch tokens of the last layer lie, one line after the other; None: unknown.

    Args:
        module: a timm model.
        features: what its `forward_features` gives of pictures.
        size: of these.

    >>> token_grid(torch.nn.Identity(), torch.zeros(2, 8, 3, 5), ImageSize(96, 160))
    (3, 5)
    """
    if features.ndim == 4:
        shape = tuple(features.shape)
        return (shape[2], shape[3]) if getattr(module, "output_fmt", "NCHW") == "NCHW" else (shape[1], shape[2])
    count = split_tokens(module, features)[1].shape[1]
    embed: Any = getattr(module, "patch_embed", None)
    if hasattr(embed, "dynamic_feat_size"):
        height, width = embed.dynamic_feat_size(tuple(size))
        return (height, width) if height * width == count else None
    side = isqrt(count)
    return (side, side) if side * side == count and size.height == size.width else None


def require_pooling(module: torch.nn.Module, name: str, pooling: str, prefix: int) -> None:
    """Refuse a pooling that the network does not have.

    Args:
        module: a timm model.
        name: its name, for the refusal.
        pooling: a key of `POOLINGS`.
        prefix: number of its prefix tokens.

    Raises:
        IadError: if the model has no class token and `pooling` asks for it.

    >>> require_pooling(torch.nn.Identity(), "resnet50", "cls", 0)
    Traceback (most recent call last):
    iad.errors.IadError: pooling = cls: resnet50 has no class token; use patch_mean or token_mean
    """
    if pooling == "cls" and (not prefix or getattr(module, "cls_token", module) is None):
        raise IadError(f"pooling = cls: {name} has no class token; use patch_mean or token_mean")
