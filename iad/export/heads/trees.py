"""The isolation forest as part of a graph: all trees are gone down together, a level at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from iad.detectors.isolation_forest.detector import _average_length
from iad.export.heads.classical import Scaled


def head(_: str, detector: Any, __: str) -> nn.Module:
    """The head of a fitted `iad.detectors.isolation_forest.detector.Detector`."""
    return Forest(detector)


class Forest(Scaled):
    """Mean path length over the trees, against that of a search that fails."""

    def __init__(self, detector: Any) -> None:
        super().__init__(detector)
        self.levels = _depth(detector.learned.arrays)
        usual = _average_length(np.array([self.values["samples"]])).item()
        self.usual = len(detector.learned.arrays["roots"]) * float(usual)

    def score(self, row: torch.Tensor) -> torch.Tensor:
        """Of a row float64 `(D,)`."""
        values, place = row.float().double(), self.roots  # the type in which the trees were grown
        for _ in range(self.levels):
            feature = self.feature[place]
            goes_left = values[feature.clamp(min=0)] <= self.cut[place]
            below = torch.where(goes_left, self.left[place], self.right[place])
            place = torch.where(feature >= 0, below, place)
        depths = self.length[place].sum()
        return torch.exp2(-depths / self.usual) if self.usual else depths * 0 + 0.5


def _depth(nodes: Any) -> int:
    levels, place = 0, np.asarray(nodes["roots"])
    while (inner := place[nodes["feature"][place] >= 0]).size:
        levels, place = levels + 1, np.concatenate([nodes["left"][inner], nodes["right"][inner]])
    return levels
