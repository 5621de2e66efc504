"""A whole method as part of a graph: the head of its detector, or those of its members on one scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from iad.detectors import HYBRID
from iad.detectors.maps import enlargement
from iad.export.heads import Found, Given, head_of
from iad.export.parts import Part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from iad.bundles.fitted import Fitted

    Sources: TypeAlias = Mapping[str, Given]


def method_of(fitted: Fitted) -> nn.Module:
    """A fitted method; it takes embeddings by the stage that makes them, and gives score and map as a head does.

    Raises:
        IadError: as `iad.export.heads.head_of`.
    """
    if fitted.kind == HYBRID:
        return Hybrid(fitted.detector, [method_of(member) for member in fitted.members])
    return Alone(fitted.reads, head_of(fitted.kind, fitted.detector, fitted.method))


class Alone(Part):
    """A head, and the stage whose embeddings it looks at."""

    def __init__(self, reads: str, head: nn.Module) -> None:
        super().__init__()
        self.reads, self.head = reads, head

    def forward(self, sources: Sources) -> Found:
        """Score a picture."""
        found: Found = self.head(sources[self.reads])
        return found


class Hybrid(Part):
    """Evidence of the members, fused; see `iad.detectors.hybrid.evidence`."""

    def __init__(self, detector: Any, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members, self.how = nn.ModuleList(members), detector.options.how
        self.tails, self.map_tails = list(detector.tails.values()), list(detector.map_tails.values())
        weights = np.array(detector.options.weights or [1.0] * len(members))
        weights = weights / (weights.sum() if self.how == "mean" else weights.max())
        self.register_buffer("weights", torch.from_numpy(weights.astype(np.float32)))

    def forward(self, sources: Sources) -> Found:
        """Score a picture."""
        found = [member(sources) for member in self.members]
        scores = [_evidence(tail, score) for tail, (score, _) in zip(self.tails, found, strict=True)]
        score = self._fused(torch.stack(scores))
        maps = [one for _, one in found if one is not None]
        if not self.map_tails or len(maps) < len(found):
            return score, None
        grid = max(one.shape[0] for one in maps), max(one.shape[1] for one in maps)
        shown = [_enlarged(_evidence(tail, one), grid) for tail, one in zip(self.map_tails, maps, strict=True)]
        return score, self._fused(torch.stack(shown))

    def _fused(self, evidence: torch.Tensor) -> torch.Tensor:
        weighed = evidence * self.weights.reshape(-1, *[1] * (evidence.ndim - 1))
        return weighed.sum(0) if self.how == "mean" else weighed.amax(0)


def _evidence(tail: Any, values: torch.Tensor) -> torch.Tensor:
    odds = math.log((1 - tail.share) / tail.share)
    return functional.softplus((values - tail.start) / tail.excess + odds) / math.log(10)


def _enlarged(values: torch.Tensor, grid: tuple[int, ...]) -> torch.Tensor:
    rows, columns = (
        torch.from_numpy(enlargement(source, target, 0)) for source, target in zip(values.shape, grid, strict=True)
    )
    return rows @ values @ columns.T
