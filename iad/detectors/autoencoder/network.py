"""The convolutional autoencoder of the original study: the network and its error maps.

Four convolutions with max-pooling and ReLU lead to a code at 1/16 of the picture's side; four convolutions with
upsampling lead back. Pixels are normalised with mean 0.5 and standard deviation 0.5, so that they lie in [-1, 1].

Two things are computed otherwise than they are told, for a third less time. ReLU follows the pooling: the maximum of
what is rectified is the rectified maximum. Upsampling and the convolution behind it are one transposed convolution.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from iad.compute import Runtime
from iad.data.image_size import GivenSize, ImageSize
from iad.neighbors.rows import Rows
from iad.progress import bar

STRIDE = 16


class Autoencoder(nn.Module):
    """Pictures float32 `(B, 3, H, W)` in [-1, 1] to reconstructions of the same shape.

    Where a side is no multiple of 16, the picture's last line is repeated up to one, and the rest is cut off again.
    """

    def __init__(self, width: int, latent_channels: int, image_size: GivenSize) -> None:
        super().__init__()
        self.width, self.latent_channels, self.image_size = width, latent_channels, ImageSize.of(image_size)
        sizes = [3, width, 2 * width, 4 * width, latent_channels]
        down, up = pairwise(sizes), pairwise(reversed(sizes))
        self.encoder = nn.Sequential(*[layer for pair in down for layer in _encode(*pair)])
        self.decoder = Decoder(*[layer for pair in up for layer in _decode(*pair)][:-1])  # the last is linear

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Encode and decode.

        >>> build_autoencoder(1, 1, image_size=32)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 3, 32, 32])
        """
        height, width = pixels.shape[2:]
        below, right = -height % STRIDE, -width % STRIDE
        whole = functional.pad(pixels, (0, right, 0, below), mode="replicate") if below or right else pixels
        rebuilt: torch.Tensor = self.decoder(self.encoder(whole))
        return rebuilt[:, :, :height, :width] if below or right else rebuilt


class Decoder(nn.Sequential):
    """Layers that upsample by 2 before every convolution, each such pair computed as one (`upsampled_convolution`)."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """The code `(B, C, h, w)` to pixels; but for rounding what `nn.Sequential` makes of the same layers."""
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                features = upsampled_convolution(features, layer)
            elif not isinstance(layer, nn.Upsample):
                features = layer(features)
        return features


def upsampled_convolution(features: torch.Tensor, layer: nn.Conv2d) -> torch.Tensor:
    """Repeat each value in a square of 2 x 2 and convolve, without ever making the repeated values.

    Both are linear, and together a transposed convolution of stride 2: of the 3 x 3 products per value that the two
    take, 2 x 2 remain, since the weights that meet copies of the same value are added up beforehand.

    Args:
        features: `(B, C, h, w)`.
        layer: of 3 x 3 weights and padding 1.

    Returns:
        `(B, D, 2 h, 2 w)`.

    >>> layer, ones = nn.Conv2d(1, 1, 3, padding=1, bias=False), torch.ones(1, 1, 1, 1)
    >>> _ = nn.init.ones_(layer.weight)
    >>> upsampled_convolution(ones, layer).tolist()  # all four copies lie within reach of each
    [[[[4.0, 4.0], [4.0, 4.0]]]]
    """
    turned = layer.weight.transpose(0, 1).flip(2, 3)  # (C, D, 3, 3)
    summed = functional.avg_pool2d(turned, 2, stride=1, padding=1, divisor_override=1)  # (C, D, 4, 4)
    return functional.conv_transpose2d(features, summed, layer.bias, stride=2, padding=1)


def build_autoencoder(width: int, latent_channels: int, *, image_size: GivenSize, seed: int = 0) -> Autoencoder:
    """Build the untrained network.

    >>> build_autoencoder(1, 1, image_size=(32, 50))(torch.zeros(1, 3, 32, 50)).shape
    torch.Size([1, 3, 32, 50])
    """
    network = _empty(width, latent_channels, image_size)
    generator = torch.Generator().manual_seed(seed)  # its own, so that the host's random numbers stay what they were
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:  # as PyTorch does it
            nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
            bound = 1 / math.sqrt(layer.weight[0].numel())
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return network


def load_network(
    arrays: Mapping[str, np.ndarray], width: int, latent_channels: int, image_size: GivenSize
) -> Autoencoder:
    """The network with these weights, as `network_arrays` gave them.

    >>> network, pictures = build_autoencoder(1, 1, image_size=16), torch.zeros(1, 3, 16, 16)
    >>> again = load_network(network_arrays(network), 1, 1, 16)
    >>> torch.equal(again(pictures), network(pictures))
    True
    """
    network = _empty(width, latent_channels, image_size)
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})
    return network


def network_arrays(network: Autoencoder) -> dict[str, np.ndarray]:
    """All weights by name, float32."""
    return {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in network.state_dict().items()}


def network_on(device: str, network: Autoencoder) -> Autoencoder:
    """The same network, ready to rebuild pictures on a device; several threads may then use it at once."""
    return network.to(device).to(memory_format=torch.channels_last).eval()


def to_pixels(images: np.ndarray, runtime: Runtime) -> torch.Tensor:
    """Turn uint8 `(B, H, W, 3)` into float32 `(B, 3, H, W)` in [-1, 1], channels last, on the runtime's device.

    >>> from iad.compute import resolve
    >>> picture = np.array([[[[0, 255, 0]]]], dtype=np.uint8)
    >>> to_pixels(picture, resolve(device="cpu", precision="fp32")).flatten().tolist()
    [-1.0, 1.0, -1.0]
    """
    batch = torch.from_numpy(np.array(images)).to(runtime.device)
    return batch.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def squared_error(model: Autoencoder, pixels: torch.Tensor, runtime: Runtime) -> torch.Tensor:
    """Squared difference float32 `(B, 3, H, W)` between pictures and their reconstructions.

    >>> from iad.compute import resolve
    >>> runtime, black = resolve(device="cpu", precision="fp32"), torch.zeros_like  # what rebuilds anything as zeros
    >>> squared_error(black, torch.full((1, 3, 1, 1), 2.0), runtime).flatten().tolist()
    [4.0, 4.0, 4.0]
    """
    with runtime.lower_precision():
        rebuilt = model(pixels)
    return torch.square(rebuilt.float() - pixels)


def error_maps(
    model: Autoencoder, images: Rows, rows: np.ndarray, runtime: Runtime, batch_size: int, title: str
) -> Iterator[np.ndarray]:
    """Yield the reconstruction error per pixel, batch by batch, in the order of `rows`.

    A picture's error is the same to the bit whatever pictures share its batch. Convolutions of one picture alone are
    summed in another order, so one goes twice.

    Args:
        model: from `network_on`.
        images: uint8 `(N, H, W, 3)`; may be memory-mapped.
        rows: int64 `(n,)`, which pictures.
        runtime: where to compute, and in which precision.
        batch_size: pictures per forward pass.
        title: of the progress bar.

    Yields:
        float32 `(B, H, W)`, squared error averaged over the three channels, in normalised pixel units.

    >>> from iad.compute import resolve
    >>> images = np.uint8([[[[0, 0, 0]]], [[[255, 255, 255]]]])  # two pictures of one pixel, -1 and 1
    >>> found = error_maps(torch.clone, images, np.array([0, 1]), resolve(device="cpu", precision="fp32"), 1, "errors")
    >>> [batch.tolist() for batch in found]
    [[[[0.0]]], [[[0.0]]]]
    """
    with bar(title, len(rows)) as shown, torch.inference_mode():
        for start in range(0, len(rows), batch_size):
            chosen = rows[start : start + batch_size]
            together = chosen if len(chosen) > 1 else np.repeat(chosen, 2)
            errors = squared_error(model, to_pixels(images[together], runtime), runtime)
            yield errors.mean(dim=1).cpu().numpy()[: len(chosen)]
            shown.update(len(chosen))


def _empty(width: int, latent_channels: int, image_size: GivenSize) -> Autoencoder:
    with torch.device("meta"):  # no random numbers are drawn for weights that are filled later
        network = Autoencoder(width, latent_channels, image_size)
    return network.to_empty(device="cpu")


def _encode(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, dtype=torch.float32), nn.MaxPool2d(2), nn.ReLU(inplace=True)]


def _decode(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.Conv2d(inputs, outputs, 3, padding=1, dtype=torch.float32),
        nn.ReLU(inplace=True),
    ]
