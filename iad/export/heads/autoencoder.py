"""The autoencoder as part of a graph; the same steps as `iad.detectors.autoencoder.reconstruction`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from iad.detectors.autoencoder.network import STRIDE, Autoencoder, upsampled_convolution
from iad.detectors.autoencoder.reconstruction import STD_FLOOR
from iad.export.heads import Found, Given
from iad.export.parts import Part


def head(_: str, detector: Any, __: str) -> nn.Module:
    """The head of a fitted `iad.detectors.autoencoder.detector.Detector`."""
    return Reconstruction(detector)


class Reconstruction(Part):
    """The error of each cell of the rebuilt picture, against what is usual there."""

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.network, self.options = _without_upsampling(detector.network), detector.options
        for name, side in zip(("rows", "columns"), detector.network.image_size, strict=True):
            self.register_buffer(name, torch.from_numpy(_means(side, self.options.cell)))
        if detector.places is not None:
            self.register_buffer("counting", torch.from_numpy(detector.places.numbers))
        self.kept, self.usual = detector.places is not None, detector.usual is not None
        if self.usual:
            usual = detector.usual
            scale = usual.std + STD_FLOOR * usual.std.mean() + np.finfo(np.float64).tiny
            self.register_buffer("mean", torch.from_numpy(usual.mean.astype(np.float32)))
            self.register_buffer("scale", torch.from_numpy(np.maximum(scale, np.finfo(np.float32).tiny)).float())

    def forward(self, given: Given) -> Found:
        """Score `pixels`."""
        pixels = given["pixels"] / 127.5 - 1
        height, width = pixels.shape[2:]
        below, right = -height % STRIDE, -width % STRIDE
        whole = functional.pad(pixels, (0, right, 0, below), mode="replicate") if below or right else pixels
        rebuilt = self.network(whole)[:, :, :height, :width]
        errors = torch.square(rebuilt - pixels).mean(1)[0]  # (H, W)
        cells = self.rows @ errors @ self.columns.T
        if self.kept:
            cells = cells.reshape(-1)[self.counting][None]  # (1, P)
        if self.usual:
            cells = torch.relu((cells - self.mean) / self.scale)
        count = cells.numel()
        worst = max(1, round(self.options.top_share * count)) if self.options.aggregate == "top" else count
        values = cells.reshape(count)
        score = values.mean() if worst == count else torch.topk(values, worst).values.mean()
        return score.reshape(1), cells


def _without_upsampling(network: Autoencoder) -> nn.Sequential:
    """The network with transposed convolutions, whose weights `upsampled_convolution` makes anew in every pass."""
    decoder = [
        _transposed(layer) if isinstance(layer, nn.Conv2d) else layer
        for layer in network.decoder
        if not isinstance(layer, nn.Upsample)
    ]
    return nn.Sequential(*network.encoder, *decoder).to(memory_format=torch.contiguous_format)


def _transposed(layer: nn.Conv2d) -> nn.ConvTranspose2d:
    made = nn.ConvTranspose2d(layer.in_channels, layer.out_channels, 4, stride=2, padding=1)
    bias = torch.zeros(layer.out_channels) if layer.bias is None else layer.bias
    with torch.no_grad():
        for channel in range(layer.in_channels):  # what one value becomes: the 4 x 4 weights from it, and the bias
            one = torch.zeros(1, layer.in_channels, 3, 3)
            one[0, channel, 1, 1] = 1
            found = upsampled_convolution(one, layer) - bias.view(1, -1, 1, 1)
            made.weight[channel] = found[0, :, 1:5, 1:5]
        made.bias = nn.Parameter(bias.clone())
    return made


def _means(side: int, cell: int) -> np.ndarray:
    """What averages a line over cells, float32 `(cells, side)`; the last cell may be smaller."""
    numbers = np.arange(side) // cell
    found = (np.arange(numbers[-1] + 1)[:, None] == numbers).astype(np.float64)
    return np.asarray(found / found.sum(axis=1, keepdims=True), dtype=np.float32)
