"""Mixtures of a picture and what replaces it: which segments LIME and KernelSHAP switch, drawn by a seed of their own.

Captum draws from PyTorch's generator of the whole process; these take its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

SEGMENTS = 5  # a side
KERNEL = 0.25  # width of LIME's kernel


def segments(height: int, width: int) -> np.ndarray:
    """The number of each pixel's segment, int64 `(height, width)`."""
    rows, columns = (np.arange(side) * min(SEGMENTS, side) // side for side in (height, width))
    return rows[:, None] * min(SEGMENTS, width) + columns


def closeness(_: torch.Tensor, __: torch.Tensor, kept: torch.Tensor, **___: Any) -> torch.Tensor:
    """Weight of a mixture by the share of segments that it keeps: LIME's kernel over the cosine distance."""
    distance = 1 - kept.float().mean().sqrt()
    return torch.exp(-(distance**2) / (2 * KERNEL**2))


def halves(seed: int) -> Callable[..., torch.Tensor]:
    """What draws a mixture for LIME: each segment is kept or replaced, both equally likely.

    >>> halves(0)(None, num_interp_features=4).shape
    torch.Size([1, 4])
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(_: torch.Tensor, *, num_interp_features: int, **__: Any) -> torch.Tensor:
        return torch.bernoulli(torch.full((1, num_interp_features), 0.5), generator=generator).long()

    return draw


def coalitions(seed: int) -> Callable[..., Iterator[torch.Tensor]]:
    """What draws mixtures for KernelSHAP: all, none, and then pairs of a mixture and its complement.

    >>> drawn = coalitions(0)(None, num_interp_features=3, num_select_distribution=torch.distributions.Categorical(
    ...     torch.tensor([0.0, 1.0, 1.0])))
    >>> [int(next(drawn).sum()) for _ in range(2)], int((next(drawn) + next(drawn)).sum())
    ([3, 0], 3)
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(_: torch.Tensor, *, num_interp_features: int, num_select_distribution: Any, **__: Any) -> Any:
        yield torch.ones(1, num_interp_features, dtype=torch.long)
        yield torch.zeros(1, num_interp_features, dtype=torch.long)
        while True:
            count = int(torch.multinomial(num_select_distribution.probs, 1, generator=generator))
            kept = torch.zeros(1, num_interp_features, dtype=torch.long)
            kept[0, torch.randperm(num_interp_features, generator=generator)[:count]] = 1
            yield kept
            yield 1 - kept

    return draw
