"""Linear layers that multiply 8-bit integers: weights and activations, at a quarter of the size.

Each row of the activations and each output channel of the weights has a scale of its own, its largest magnitude over
127 (vector-wise quantisation, Dettmers et al. 2022, arXiv 2208.07339, section 3.1, without their outlier columns). The
scales of activations come from the activations themselves, so no calibration pictures are needed and a picture's
features do not depend on its batch.

Where the processor sums 8-bit products in one instruction, oneDNN's kernel in PyTorch uses it, with exact 32-bit sums;
elsewhere the same integers are multiplied in float32, which gives the same numbers and no speed.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import nn
from torch.nn import functional

LARGEST = 127
TINY = 1e-30  # scale of a row of zeros
ROWS = 512  # at a time, so that what lies between the steps stays in the cache
OFFSET = 128  # oneDNN's fast kernel wants unsigned activations and takes this off again


class Int8Linear(nn.Module):
    """`nn.Linear` in 8-bit integers.

    Args:
        weight: float `(N, K)`.
        bias: float `(N,)`, or None.

    Attributes:
        weight: int8 `(N, K)`.
        scale: float32 `(N,)`; `weight * scale[:, None]` is what the layer multiplies with.
        bias: float32 `(N,)`.
    """

    weight: torch.Tensor
    scale: torch.Tensor
    bias: torch.Tensor

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__()
        integers, scale = quantize_rows(weight.detach())
        self.register_buffer("weight", integers)
        self.register_buffer("scale", scale[:, 0].contiguous())
        self.register_buffer(
            "bias", torch.zeros(len(weight), dtype=torch.float32) if bias is None else bias.detach().float()
        )
        self._packed: torch.Tensor | None = None  # made when first used; no buffer, since no file can hold it

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Float `(..., K)` to `(..., N)`, in autocast's type where that is on, else in that of `features`.

        >>> layer = Int8Linear(torch.eye(2), torch.tensor([0.0, 1.0]))
        >>> layer(torch.tensor([[127.0, -64.0]])).round(decimals=3)  # integers from -127 to 127 lose nothing
        tensor([[127., -63.]])
        """
        device = features.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else features.dtype
        rows = features.reshape(-1, features.shape[-1])  # (M, K)
        found = torch.empty(len(rows), len(self.weight), dtype=dtype, device=features.device)
        bias = self.bias.to(dtype)
        for start in range(0, len(rows), ROWS):
            integers, scale = quantize_rows(rows[start : start + ROWS])
            part = self._product(integers, dtype)
            torch.addcmul(bias, part, scale.to(dtype), out=found[start : start + ROWS])
        return found.view(*features.shape[:-1], len(self.weight))

    def _product(self, integers: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Int8 `(M, K)` times the weights and their scales, `(M, N)`."""
        if integers.device.type != "cpu" or not int8_is_fused():
            return functional.linear(integers.float(), self.weight.float()).mul_(self.scale).to(dtype)
        if self._packed is None:
            self._packed = torch.ops.onednn.qlinear_prepack(self.weight, None)
        return _fused(integers, self._packed, self.scale, dtype)


class Int8Pointwise(Int8Linear):
    """A 1x1 convolution in 8-bit integers: the same product at every location of a map."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Float `(B, K, h, w)` to `(B, N, h, w)`, channels last."""
        return super().forward(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def quantize_rows(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Integers and scales of each row.

    Args:
        values: float `(M, K)`.

    Returns:
        int8 `(M, K)` in [-127, 127], and float32 `(M, 1)`; their product is within half a scale of `values`.

    >>> integers, scale = quantize_rows(torch.tensor([[0.5, -1.0], [0.0, 0.0]]))
    >>> integers.tolist(), round(float(scale[0, 0]) * 127, 6)
    ([[64, -127], [0, 0]], 1.0)
    """
    values = values.float()
    largest = torch.maximum(values.amax(1, keepdim=True), values.amin(1, keepdim=True).neg_())
    scale = largest.div_(LARGEST).clamp_(min=TINY)
    return values.mul(scale.reciprocal()).round_().to(torch.int8), scale


def quantize_layers(module: nn.Module) -> int:
    """Put integers in place of every linear layer and plain 1x1 convolution of a network; return how many.

    Other convolutions, norms and attention stay as they are.

    >>> quantize_layers(nn.Sequential(nn.Linear(8, 8), nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 3)))
    2
    """
    changed = 0
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, Int8Linear(child.weight, child.bias))
            changed += 1
        elif isinstance(child, nn.Conv2d) and _is_pointwise(child):
            setattr(module, name, Int8Pointwise(child.weight.flatten(1), child.bias))
            changed += 1
        else:
            changed += quantize_layers(child)
    return changed


@cache
def int8_is_fused() -> bool:
    """Whether this processor has the instruction, and this PyTorch the kernel, and it sums exactly."""
    if not torch.cpu._is_vnni_supported():  # without it, sums may saturate at 16 bits
        return False
    ones, integers = torch.ones(16, dtype=torch.float32), torch.full((16, 64), LARGEST, dtype=torch.int8)
    try:
        packed = torch.ops.onednn.qlinear_prepack(integers, None)
        found = _fused(integers, packed, ones, torch.float32)
    except (AttributeError, RuntimeError):
        return False
    return bool((found == 64 * LARGEST**2).all())


def _fused(integers: torch.Tensor, packed: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    shifted = integers.view(torch.uint8).bitwise_xor(OFFSET)  # the same bits as adding the offset
    zeros = torch.zeros(len(scale), dtype=torch.int32)
    product: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
        shifted, 1.0, OFFSET, packed, scale, zeros, None, 1.0, 0, dtype, "none", [], ""
    )
    return product


def _is_pointwise(layer: nn.Conv2d) -> bool:
    return layer.kernel_size == layer.stride == (1, 1) and layer.groups == 1 and layer.padding == (0, 0)
