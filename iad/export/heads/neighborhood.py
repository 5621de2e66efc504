"""The local outlier factor as part of a graph; see `iad.detectors.lof`."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from iad.detectors.lof.detector import TINY
from iad.export.heads.classical import Scaled


def head(_: str, detector: Any, __: str) -> nn.Module:
    """The head of a fitted `iad.detectors.lof.detector.Detector`."""
    return LocalOutlierFactor(detector)


class LocalOutlierFactor(Scaled):
    """Mean density of the neighbours over the picture's own."""

    def score(self, row: torch.Tensor) -> torch.Tensor:
        """Of a row float64 `(D,)`."""
        squared, near = torch.topk((row - self.rows).square().sum(1), self.options.n_neighbors, largest=False)
        reached = torch.where(squared.sqrt() > self.reach[near], squared.sqrt(), self.reach[near])
        own = 1 / (reached.mean() + TINY)
        return (self.density[near] / own).mean()
