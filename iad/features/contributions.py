"""What each place of a picture adds to its pooled feature: vectors from which a pooled distance can be attributed.

For a mean over places they have the feature as their mean; for `max` they are what the maximum was taken of. A class
token is no such thing: its vectors are what each place adds to it through the attention of the last block, the sum over
heads of attention times value, through the output projection (Kobayashi et al. 2020, arXiv 2004.10102).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import isqrt
from typing import Any

import numpy as np
import torch
from timm.models.vision_transformer import Attention

from iad.features.tokens import tokens_of


class PlaceWriter:
    """Where the vectors of places go.

    Args:
        vectors: float16 `(N, h, w, D)`, filled here; may be memory-mapped. The grid follows from `place_grid`.
        pooling: a key of `iad.features.backbone.POOLINGS`.
        module: the network; for `cls`, its last block's attention is watched until `close`.
    """

    def __init__(self, vectors: np.ndarray, pooling: str, module: torch.nn.Module) -> None:
        self.vectors, self.pooling = vectors, pooling
        self._block = last_block(module) if pooling == "cls" else None
        self._seen: torch.Tensor  # queries, keys and values of the last pass, (B, P + T, 3 D)
        self._hook = None if self._block is None else self._block.attn.qkv.register_forward_hook(self._keep)

    def write(self, start: int, prefix: torch.Tensor, patches: torch.Tensor) -> None:
        """Write the vectors of pictures from `start` on, from their tokens `(B, P, D)` and `(B, T, D)`."""
        if self._block is not None:
            vectors = added_by_attention(self._block, self._seen, prefix.shape[1])
        elif self.pooling == "token_mean":
            every = prefix.shape[1] + patches.shape[1]
            vectors = (patches.float() * patches.shape[1] + prefix.float().sum(1, keepdim=True)) / every
        else:
            vectors = patches
        stored = vectors.to(torch.float16).cpu().numpy()
        self.vectors[start : start + len(stored)] = stored.reshape(len(stored), *self.vectors.shape[1:])

    def close(self) -> None:
        """Stop watching the network."""
        if self._hook is not None:
            self._hook.remove()

    def _keep(self, _: torch.nn.Module, __: Any, found: torch.Tensor) -> None:
        self._seen = found


@contextmanager
def place_writer(vectors: np.ndarray, pooling: str, module: torch.nn.Module) -> Iterator[PlaceWriter]:
    """Yield a `PlaceWriter`, and close it."""
    writer = PlaceWriter(vectors, pooling, module)
    try:
        yield writer
    finally:
        writer.close()


def place_grid(module: torch.nn.Module, pooling: str, image_size: int) -> int | None:
    """Places along a side of a picture; None if the network cannot tell what they add to this pooling."""
    if pooling == "cls" and last_block(module) is None:
        return None
    with torch.inference_mode():
        blank = torch.zeros(1, 3, image_size, image_size, device=next(module.parameters()).device)
        _, patches = tokens_of(module, module.forward_features(blank))  # type: ignore[operator]
    side = isqrt(patches.shape[1])
    return side if side**2 == patches.shape[1] else None


def last_block(module: torch.nn.Module) -> Any:
    """The last block of a transformer with plain attention (softmax of queries times keys, no gate); else None."""
    blocks = getattr(module, "blocks", None)
    block: Any = blocks[-1] if isinstance(blocks, torch.nn.Sequential) else None
    attention = getattr(block, "attn", None)
    if not isinstance(attention, Attention) or getattr(attention, "gate", None) is not None:
        return None
    return block if isinstance(getattr(attention, "norm", None), torch.nn.Identity | None) else None


def added_by_attention(block: Any, seen: torch.Tensor, prefix: int) -> torch.Tensor:
    """What each place adds to the class token in this block.

    Args:
        block: a timm block with plain attention.
        seen: queries, keys and values `(B, P + T, 3 D)` of all tokens; the class token is the first.
        prefix: number P of tokens before those of the places.

    Returns:
        `(B, T, D)`. With what the prefix tokens add and the bias, the sum is what attention adds to the class token.
    """
    attention = block.attn
    shape = (len(seen), seen.shape[1], 3, attention.num_heads, attention.head_dim)
    queries, keys, values = seen.reshape(shape).permute(2, 0, 3, 1, 4)  # each (B, heads, P + T, D / heads)
    queries, keys = attention.q_norm(queries[:, :, :1]), attention.k_norm(keys)
    weights = (queries * attention.scale @ keys.transpose(-2, -1)).softmax(-1)  # (B, heads, 1, P + T)
    heads = weights.transpose(-2, -1) * values  # (B, heads, P + T, D / heads)
    joined = heads[:, :, prefix:].transpose(1, 2).flatten(2)  # (B, T, D)
    nothing = attention.proj(torch.zeros_like(joined[:1, :1]))  # the bias, which belongs to no place
    return block.ls1(attention.proj(joined) - nothing)  # type: ignore[no-any-return]
