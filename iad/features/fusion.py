"""A convolution, the batch norm and the activation behind it in one call, for float32 on a processor.

A frozen batch norm is a linear map of each channel, so a convolution does its work too, with other weights (Jacob et
al. 2018, arXiv 1712.05877, section 3.2), and oneDNN's kernel applies the activation before it writes. The network is
the same but for rounding; memory is gone through once instead of three times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from timm.layers import BatchNormAct2d, Conv2dSame
from timm.layers.padding import get_same_padding
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from iad.features.embeddings import Part

ACTIVATIONS: dict[type[nn.Module], tuple[str, list[float]]] = {  # their names and numbers in oneDNN
    nn.Identity: ("none", []), nn.ReLU: ("relu", []), nn.ReLU6: ("hardtanh", [0.0, 6.0]), nn.SiLU: ("swish", []),
}  # fmt: skip
NORMS = nn.BatchNorm2d, BatchNormAct2d
TOLERANCE = 1e-4  # of the largest value: rounding stays far below, a layer in the wrong place far above


class FusedConvolution(nn.Module):
    """A convolution, the batch norm of its output and an activation of a type in `ACTIVATIONS`.

    >>> layer, norm = nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8).eval()
    >>> fused, maps = FusedConvolution(layer, norm, nn.ReLU()), torch.rand(1, 8, 5, 5)
    >>> with torch.no_grad():
    ...     torch.allclose(fused(maps), norm(layer(maps)).relu(), atol=1e-5)
    True
    """

    def __init__(self, layer: nn.Conv2d, norm: nn.BatchNorm2d, activation: nn.Module) -> None:
        super().__init__()
        of_norm: Any = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
        weights = fuse_conv_bn_weights(layer.weight, layer.bias, *of_norm)
        self.weight, self.bias = (nn.Parameter(part.detach(), requires_grad=False) for part in weights)
        self.kernel_size, self.same = layer.kernel_size, isinstance(layer, Conv2dSame)
        self.padding = list(layer.padding)
        self.stride, self.dilation, self.groups = list(layer.stride), list(layer.dilation), layer.groups
        self.activation = ACTIVATIONS[type(activation)]
        self._packed: dict[tuple[int, ...], torch.Tensor] = {}  # in the kernel's own order, made when first used

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Float32 `(B, C, h, w)` to `(B, D, h', w')`."""
        padding, zeros = self._same_padding(maps) if self.same else (self.padding, (0, 0))
        how = padding, self.stride, self.dilation, self.groups
        if zeros not in self._packed:
            weight = functional.pad(self.weight, (zeros[1], 0, zeros[0], 0))
            self._packed[zeros] = torch.ops.mkldnn._reorder_convolution_weight(weight, *how, list(maps.shape))
        name, numbers = self.activation
        found: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(
            maps, self._packed[zeros], self.bias, *how, name, numbers, ""
        )
        return found

    def _same_padding(self, maps: torch.Tensor) -> tuple[list[int], tuple[int, ...]]:
        # a padding that is larger by one at the end is one of equal sides for weights that begin with a zero: this
        # costs some products and saves a copy of the maps
        sides = zip(maps.shape[2:], self.kernel_size, self.stride, strict=True)
        every = [get_same_padding(side, width, stride, 1) for side, width, stride in sides]
        return [-(-both // 2) for both in every], tuple(both % 2 for both in every)


def fuse_convolutions(module: nn.Module, run: Callable[[], Mapping[Part, torch.Tensor]]) -> int:
    """Fuse every convolution with its batch norm and its activation; return how many.

    What belongs together is seen in one pass. Where the network then gives anything else, as it does if some other
    layer took a convolution's output too, all is put back.

    Args:
        module: a frozen network on the CPU, float32.
        run: sends some pixels through it, and gives what is wanted of it.

    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3)).eval()
    >>> fuse_convolutions(network, lambda: {"patches": network(torch.ones(1, 3, 8, 8))})
    1
    >>> [type(layer).__name__ for layer in network]
    ['FusedConvolution', 'Identity', 'Identity', 'Conv2d']
    """
    if not _can_fuse() or not any(type(layer) in NORMS for layer in module.modules()):
        return 0
    with torch.inference_mode(mode=False), torch.no_grad():  # tensors made in inference do not count their changes
        chains, before = _watched(module, run)
        made = {old: new for chain in chains if len(chain) > 1 for old, new in _fused(*chain).items()}
        _replace(module, made)
        after = run()
    if all(_is_near(after[name], found) for name, found in before.items()):
        return sum(isinstance(new, FusedConvolution) for new in made.values())
    _replace(module, {new: old for old, new in made.items()})
    return 0


class Watch:
    """Hooks that see which layers take what a convolution gave: chains of it, its norm and an activation."""

    def __init__(self) -> None:
        self.chains: list[list[nn.Module]] = []
        self._given: dict[int, tuple[list[nn.Module], torch.Tensor, int]] = {}  # by id; kept, so that none comes twice
        self._inside: dict[nn.Module, list[nn.Module]] = {}

    def before(self, layer: nn.Module, taken: tuple[Any, ...]) -> None:
        """A layer is about to run: it joins the chain that gave its input, unless that was changed in between."""
        chain, _, version = self._given.get(id(taken[0]) if taken else 0, ([], None, 0))
        if chain and taken[0]._version == version and _follows(chain, layer):
            chain.append(layer)
            self._inside[layer] = chain

    def after(self, layer: nn.Module, _: tuple[Any, ...], found: Any) -> None:
        """A layer has run."""
        chain = self._inside.pop(layer, [])
        if _is_plain(layer):
            self.chains.append(chain := [layer])
        if chain:
            self._given[id(found)] = chain, found, found._version


def _watched(
    module: nn.Module, run: Callable[[], Mapping[Part, torch.Tensor]]
) -> tuple[list[list[nn.Module]], Mapping[Part, torch.Tensor]]:
    watch = Watch()
    with ExitStack() as hooks:
        for layer in module.modules():
            hooks.enter_context(layer.register_forward_pre_hook(watch.before))
            hooks.enter_context(layer.register_forward_hook(watch.after))
        return watch.chains, run()


def _is_plain(layer: nn.Module) -> bool:
    if type(layer) is Conv2dSame:
        return layer.dilation == (1, 1)
    return type(layer) is nn.Conv2d and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def _follows(chain: list[nn.Module], layer: nn.Module) -> bool:
    if len(chain) == 1:
        return type(layer) in NORMS
    return len(chain) == 2 and type(chain[1]) is nn.BatchNorm2d and type(layer) in ACTIVATIONS


def _fused(layer: Any, norm: Any, activation: nn.Module | None = None) -> dict[nn.Module, nn.Module]:
    """What becomes of the layers of a chain."""
    last = activation or getattr(norm, "act", None) or nn.Identity()  # timm's norm has one of its own
    ours = type(last) in ACTIVATIONS
    made = {
        layer: FusedConvolution(layer, norm, last if ours else nn.Identity()),
        norm: nn.Identity() if ours else last,
    }
    return made | ({activation: nn.Identity()} if activation else {})


def _replace(module: nn.Module, made: Mapping[nn.Module, nn.Module]) -> None:
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if child in made:
                setattr(parent, name, made[child])


def _is_near(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    return bool((found - wanted).abs().max() <= TOLERANCE * wanted.abs().max())


def _can_fuse() -> bool:
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
