"""A memory bank of patches as part of a graph; the same steps as `iad.detectors.patch.scores`."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from iad.export.heads import Found, Given, refused
from iad.export.nearest import Nearest
from iad.export.parts import Part


def head(_: str, detector: Any, method: str) -> nn.Module:
    """The head of a fitted `iad.detectors.patch.detector.Detector`."""
    foreground, options = detector.foreground, detector.options
    if foreground is not None and not foreground.reason:
        raise refused(method, "patch.foreground = pca", "patch.foreground = none")
    if options.aggregate == "reweighted":
        raise refused(method, "patch.aggregate = reweighted", "patch.aggregate = top or max")
    return Patches(detector)


class Patches(Part):
    """Distances of patches to a bank; what of them lies above a quantile is the map, their worst ones the score."""

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.options, self.places = detector.options, detector.grid[0] * detector.grid[1]
        bank = detector.bank.patches(dtype=detector.dtype)
        self.nearest = Nearest(bank, self.options.k, self.places)

    def forward(self, given: Given) -> Found:
        """Score `patches` float32 `(1, h, w, D)`."""
        patches = given["patches"]
        distances, _ = self.nearest(patches.reshape(self.places, patches.shape[3]))
        values = distances.mean(1)  # (P,)
        ascending, _ = torch.sort(values)
        middle = (ascending[(self.places - 1) // 2] + ascending[self.places // 2]) / 2
        worst = 1 if self.options.aggregate == "max" else self._worst()
        score = ascending[-worst:].mean() - self.options.subtract_median * middle
        shown = values
        if self.options.map_above:
            shown = torch.relu(values - _quantile(ascending, self.options.map_above))
        return score.reshape(1), shown.reshape(patches.shape[1:3])

    def _worst(self) -> int:
        """How many patches count."""
        share = math.ceil(self.options.top_share * self.places)
        return int(min(max(self.options.top_patches, share), self.places))


def _quantile(ascending: torch.Tensor, quantile: float) -> torch.Tensor:
    """Of the values above 0, interpolated linearly."""
    last, counted = len(ascending) - 1, (ascending > 0).sum()
    place = len(ascending) - counted + quantile * (counted - 1).clamp(min=0).float()
    lower = place.floor()
    low, high = (where.long().clamp(0, last).reshape(1) for where in (lower, lower + 1))
    return ascending[low] + (ascending[high] - ascending[low]) * (place - lower)
