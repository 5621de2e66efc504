"""From one pass through a frozen backbone to embeddings: of patches, of the picture, and what each patch adds to it.

Patch embeddings are what a backbone sees at each location. Several layers may be joined. Each is averaged over its
neighbourhood (PatchCore, Roth et al. 2022, section 3.1), brought to the grid of the coarsest layer chosen, scaled to
unit length, and put beside the others, so that every layer weighs the same in a Euclidean distance. PatchCore does not
scale them, and `unit_length` says whether that is done here. A transformer's class and register tokens are left out.

The pooled embedding is one vector per picture, from the tokens of the last layer. For a mean over patches the
contributions have it as their mean; for `max` they are what the maximum was taken of. A class token is no such thing:
its contributions are what each patch adds to it through the attention of the last block, the sum over heads of
attention times value, through the output projection (Kobayashi et al. 2020, arXiv 2004.10102).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict

import numpy as np
import torch
from timm.models.vision_transformer import Attention
from torch.nn import functional

from iad.data.image_size import ImageSize
from iad.errors import IadError
from iad.features import Backbone

Part: TypeAlias = Literal["pooled", "patches", "contributions"]
PARTS: tuple[Part, ...] = ("pooled", "patches", "contributions")
TYPES: dict[Part, type[np.floating[Any]]] = {"pooled": np.float32, "patches": np.float16, "contributions": np.float16}


class Embedded(TypedDict):
    """Embeddings of N pictures, as `iad.detectors.embeddings.Embeddings` takes them; None where a part is not there.

    `pooled` float32 `(N, D)`, `patches` float16 `(N, h, w, D)`, `augmented` float16 `(N, c, h, w, D)`, `contributions`
    float16 `(N, h, w, D)`, and `pooling`, how `pooled` follows from `contributions`.
    """

    pooled: np.ndarray | None
    patches: np.ndarray | None
    augmented: np.ndarray | None
    contributions: np.ndarray | None
    pooling: str


def require_pictures(images: np.ndarray | Sequence[np.ndarray], size: ImageSize) -> None:
    """Refuse pictures that are not uint8 `(H, W, 3)` of this size, by the first of them."""
    for picture in images[:1]:
        if picture.dtype != np.uint8 or picture.shape != (*size, 3):
            raise IadError(
                f"pictures: {picture.dtype} of the shape {picture.shape}; give uint8 of the shape {(*size, 3)}"
            )


def as_embedded(arrays: Mapping[Part, np.ndarray], pooling: str, augmented: np.ndarray | None = None) -> Embedded:
    """Put together what there is of some pictures."""
    return {
        "pooled": arrays.get("pooled"), "patches": arrays.get("patches"), "augmented": augmented,
        "contributions": arrays.get("contributions"), "pooling": pooling,
    }  # fmt: skip


def run_network(
    module: torch.nn.Module, pixels: torch.Tensor, layers: Sequence[int], *, last: bool = True
) -> tuple[torch.Tensor | None, list[torch.Tensor]]:
    """One pass through a timm model.

    Args:
        module: the model.
        pixels: float32 `(B, 3, H, W)`, normalised.
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
        blank: float32 `(1, 3, H, W)`, of any values.
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


def join_layers(
    layers: Sequence[torch.Tensor], neighbourhood: int, *, unit_length: bool = True, grid: str | int = "coarsest"
) -> torch.Tensor:
    """Join layers `(B, C, h, w)` into patch embeddings, float32 `(B, h, w, D)`.

    Args:
        layers: one tensor per layer.
        neighbourhood: odd side of the square, on the layer's own grid, that each location is averaged over.
        unit_length: whether each layer's part is scaled to length 1.
        grid: "coarsest": finer layers are averaged over the locations of the coarsest; "finest": coarser ones are
            interpolated at the locations of the finest, as PatchCore has it (Roth et al. 2022, section 3.1); or the
            place of a layer in `layers`, on whose grid they meet.

    >>> fine, coarse = torch.ones(1, 4, 6, 6), torch.ones(1, 9, 3, 3)
    >>> joined = join_layers([fine, coarse], 3)
    >>> tuple(joined.shape), round(float(joined[0, 0, 0, 0]), 4), round(float(joined[0, 0, 0, 4]), 4)
    ((1, 3, 3, 13), 0.5, 0.3333)
    >>> tuple(join_layers([fine, coarse], 3, grid="finest").shape)
    (1, 6, 6, 13)
    """
    grids = [(layer.shape[-2], layer.shape[-1]) for layer in layers]
    if isinstance(grid, int):
        height, width = grids[grid]
    else:
        height, width = {"coarsest": min, "finest": max}[grid](grids, key=math.prod)
    joined = []
    for layer in layers:
        found = layer.float()
        if neighbourhood > 1:
            found = functional.avg_pool2d(found, neighbourhood, 1, neighbourhood // 2, count_include_pad=False)
        if found.shape[-2] > height or found.shape[-1] > width:
            found = functional.adaptive_avg_pool2d(found, (height, width))
        elif tuple(found.shape[-2:]) != (height, width):
            found = functional.interpolate(found, (height, width), mode="bilinear", align_corners=False)
        joined.append(functional.normalize(found, dim=1) if unit_length else found)
    return torch.cat(joined, dim=1).permute(0, 2, 3, 1)


def _mean(_: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    return patches.float().mean(1)


def _max(_: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    return patches.amax(1)


def _class_token(prefix: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return prefix[:, 0]


def _mean_of_all(prefix: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    return torch.cat([prefix, patches], dim=1).float().mean(1)


POOLINGS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "avg": _mean,
    "max": _max,
    "cls": _class_token,
    "patch_mean": _mean,
    "token_mean": _mean_of_all,
}
"""How `(B, D)` follows from prefix tokens `(B, P, D)` and patch tokens `(B, T, D)`."""


class Contributions:
    """What each patch adds to the pooled embedding of its picture.

    Args:
        module: the network; for `cls`, its last block's attention is watched, by every thread for itself.
        pooling: a key of `POOLINGS`.
    """

    def __init__(self, module: torch.nn.Module, pooling: str) -> None:
        self.pooling = pooling
        self._block = last_block(module) if pooling == "cls" else None
        self._seen = threading.local()  # queries, keys and values of this thread's last pass, (B, P + T, 3 D)
        if self._block is not None:
            self._block.attn.qkv.register_forward_hook(self._keep)

    def of(self, prefix: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """Contributions `(B, T, D)` to the embeddings of this thread's last pass, from its tokens.

        >>> prefix, patches = torch.tensor([[[9.0]]]), torch.tensor([[[1.0], [2.0]]])  # the mean of all three is 4
        >>> Contributions(torch.nn.Identity(), "token_mean").of(prefix, patches).mean(1).round(decimals=4)
        tensor([[4.]])
        """
        if self._block is not None:
            return added_by_attention(self._block, self._seen.__dict__.pop("last"), prefix.shape[1])
        if self.pooling == "token_mean":
            every = prefix.shape[1] + patches.shape[1]
            return (patches.float() * patches.shape[1] + prefix.float().sum(1, keepdim=True)) / every
        return patches

    def _keep(self, _: torch.nn.Module, __: Any, found: torch.Tensor) -> None:
        self._seen.last = found


def lack_of_contributions(module: torch.nn.Module, name: str, options: Backbone, grid: tuple[int, int] | None) -> str:
    """Why a network with patch tokens on this grid has no contributions although they are wanted; empty if it has.

    >>> lack_of_contributions(torch.nn.Identity(), "resnet50", Backbone(model="resnet50", pooling="avg"), (7, 7))
    ''
    >>> lack_of_contributions(torch.nn.Identity(), "resnet50", Backbone(model="resnet50", pooling="cls"), (7, 7))
    'resnet50 does not show what patches add to cls'
    """
    if not options.attribution:
        return ""
    if options.patches.tile:
        return "attribution is for whole pictures, and patches.tile is set"
    if grid is None or (options.pooling == "cls" and last_block(module) is None):
        return f"{name} does not show what patches add to {options.pooling}"
    return ""


def last_block(module: torch.nn.Module) -> Any:
    """The last block of a transformer with plain attention (softmax of queries times keys, no gate); else None."""
    blocks = getattr(module, "blocks", None)
    block: Any = blocks[-1] if isinstance(blocks, torch.nn.Sequential) else None
    attention = getattr(block, "attn", None)
    if not isinstance(attention, Attention) or getattr(attention, "gate", None) is not None:
        return None
    return block if isinstance(getattr(attention, "norm", None), torch.nn.Identity | None) else None


def added_by_attention(block: Any, seen: torch.Tensor, prefix: int) -> torch.Tensor:
    """What each patch adds to the class token in this block.

    Args:
        block: a timm block with plain attention.
        seen: queries, keys and values `(B, P + T, 3 D)` of all tokens; the class token is the first.
        prefix: number P of tokens before those of the patches.

    Returns:
        `(B, T, D)`. With what the prefix tokens add and the bias, the sum is what attention adds to the class token.
    """
    attention = block.attn
    shape = (len(seen), seen.shape[1], 3, attention.num_heads, attention.head_dim)
    queries, keys, values = seen.reshape(shape).permute(2, 0, 3, 1, 4)  # each (B, heads, P + T, D / heads)
    queries, keys = attention.q_norm(queries[:, :, :1]), attention.k_norm(keys)
    # not a matrix product, whose last bits depend on the size of the batch and on where it lies in memory
    products = (queries.float() * attention.scale * keys.float()).sum(-1, keepdim=True)  # (B, heads, P + T, 1)
    heads = products.softmax(2) * values  # (B, heads, P + T, D / heads)
    joined = heads[:, :, prefix:].transpose(1, 2).flatten(2)  # (B, T, D)
    nothing = attention.proj(torch.zeros_like(joined[:1, :1]))  # the bias, which belongs to no patch
    return block.ls1(attention.proj(joined) - nothing)  # type: ignore[no-any-return]
