"""Tokens of a network's last layer, for CNNs and transformers alike."""

from __future__ import annotations

import torch


def tokens_of(module: torch.nn.Module, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The last layer's features as (prefix tokens `(B, P, D)`, patch tokens `(B, T, D)`), for CNNs (P = 0) and ViTs.

    The class token, where there is one, is the first prefix token; register tokens follow it.
    """
    if features.ndim == 4:
        if getattr(module, "output_fmt", "NCHW") == "NCHW":
            features = features.permute(0, 2, 3, 1)  # (B, h, w, D)
        patches = features.flatten(1, 2)  # (B, h * w, D)
        return patches[:, :0], patches
    prefix = int(getattr(module, "num_prefix_tokens", 0))
    return features[:, :prefix], features[:, prefix:]
