"""Where Grad-CAM looks: the deepest layer of each network whose places still lie as in the picture."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from iad.export.embedding import Network
from iad.export.graph import Whole
from iad.export.heads.autoencoder import Reconstruction


class Tap(nn.Identity):
    """Sees what passes a layer as float32 `(1, C, h, w)`, whatever shape the layer itself gives.

    Args:
        layer: whose output passes the tap from now on; its values stay.
        shape: height over width of the picture, which a transformer's row of tokens does not tell.
        prefix: of a transformer, the number of tokens before those of the patches.
        channels_last: whether a layer with four axes gives `(1, h, w, C)`.
    """

    def __init__(self, layer: nn.Module, shape: float, *, prefix: int = 0, channels_last: bool = False) -> None:
        super().__init__()
        self.shape, self.prefix, self.channels_last = shape, prefix, channels_last
        layer.register_forward_hook(self._pass)

    def _pass(self, _: nn.Module, __: Any, found: torch.Tensor) -> torch.Tensor:
        if found.ndim == 4:
            return (
                self._seen(found.permute(0, 3, 1, 2)).permute(0, 2, 3, 1) if self.channels_last else self._seen(found)
            )
        return torch.cat([found[:, : self.prefix], self._tokens(found[:, self.prefix :])], dim=1)

    def _seen(self, laid: torch.Tensor) -> torch.Tensor:
        passed: torch.Tensor = self(laid)
        return passed

    def _tokens(self, found: torch.Tensor) -> torch.Tensor:
        height = round((found.shape[1] * self.shape) ** 0.5)
        laid = self._seen(found.transpose(1, 2).reshape(len(found), found.shape[2], height, -1))  # (B, C, h, w)
        return laid.flatten(2).transpose(1, 2)


def taps_of(whole: Whole) -> list[Tap | None]:
    """A tap for each network of a method; None of one whose layers are not shown, or which sees a picture in tiles."""
    rebuilds = [module for module in whole.modules() if isinstance(module, Reconstruction)]
    networks = [module for module in whole.networks if isinstance(module, Network)]
    shape = whole.size[0] / whole.size[1]
    return [*(_tap_of_decoder(one, shape) for one in rebuilds), *(_tap_of_backbone(one, shape) for one in networks)]


def _tap_of_decoder(head: Reconstruction, shape: float) -> Tap:
    """The narrowest layer of an autoencoder: what it keeps of the picture."""
    layers: Any = head.network
    narrowest = next(number for number, layer in enumerate(layers) if isinstance(layer, nn.ConvTranspose2d)) - 1
    return Tap(layers[narrowest], shape)


def _tap_of_backbone(network: Network, shape: float) -> Tap | None:
    """The deepest layer that is looked at; below a class token that before it, whose places still tell.

    The class token alone leaves the last block, so no derivative reaches the other tokens behind it.
    """
    module: Any = network.module
    if network.tiles.count > 1 or not hasattr(module, "feature_info"):
        return None
    layers = [layer for one in module.feature_info if (layer := _layer(module, one["module"])) is not None]
    if "patches" in network.parts:
        layers = layers[: max(network.options.patches.layers) + 1]
    elif network.options.pooling == "cls":
        layers = layers[:-1]
    if not layers:
        return None
    last = getattr(module, "output_fmt", "NCHW") == "NHWC"
    return Tap(layers[-1], shape, prefix=int(getattr(module, "num_prefix_tokens", 0)), channels_last=last)


def _layer(module: nn.Module, name: str) -> nn.Module | None:
    """A layer by its name; None where the network was cut before it."""
    try:
        found = module.get_submodule(name)
    except AttributeError:
        return None
    return None if isinstance(found, nn.Identity) else found
