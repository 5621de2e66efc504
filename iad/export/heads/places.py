"""Detectors that measure each patch for itself as parts of a graph: a Gaussian per place, and a subspace for all."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from iad.export.heads import Found, Given
from iad.export.parts import Part


def head(kind: str, detector: Any, _: str) -> nn.Module:
    """The head of a fitted detector of this kind."""
    return HEADS[kind](detector)


class Places(Part):
    """A distance per patch; the worst make the score. A subclass measures."""

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.options = detector.options

    def forward(self, given: Given) -> Found:
        """Score `patches` float32 `(1, h, w, D)`."""
        patches = given["patches"][0]
        distances = self.measure(patches.flatten(0, 1))
        if self.options.aggregate == "max":
            score = distances.amax(0)
        elif self.options.aggregate == "mean":
            score = distances.mean(0)
        else:
            worst = max(1, round(self.options.top_share * distances.shape[0]))
            score = torch.sort(distances).values[-worst:].mean(0)
        return score.reshape(1), distances.reshape(patches.shape[:2])

    def measure(self, patches: torch.Tensor) -> torch.Tensor:
        """Distances `(P,)` of patches float32 `(P, D)`."""
        raise NotImplementedError

    def keep(self, name: str, array: np.ndarray) -> None:
        """Make an array a buffer, float32."""
        self.register_buffer(name, torch.from_numpy(array.astype(np.float32)))


class Gaussians(Places):
    """`iad.detectors.padim`."""

    def __init__(self, detector: Any) -> None:
        super().__init__(detector)
        self.register_buffer("chosen", torch.from_numpy(detector.chosen))
        self.keep("mean", detector.gaussians.mean)
        self.keep("whitening", detector.gaussians.whitening)

    def measure(self, patches: torch.Tensor) -> torch.Tensor:
        """Length of what is left of each patch once the Gaussian of its place is made round."""
        moved = patches[:, self.chosen] - self.mean
        found: torch.Tensor = torch.linalg.vector_norm(torch.matmul(moved[:, None], self.whitening)[:, 0], dim=1)
        return found


class Subspace(Places):
    """`iad.detectors.subspace`."""

    def __init__(self, detector: Any) -> None:
        super().__init__(detector)
        self.keep("mean", detector.outside.mean)
        self.keep("axes", detector.outside.axes)

    def measure(self, patches: torch.Tensor) -> torch.Tensor:
        """Length of what lies outside the subspace."""
        found: torch.Tensor = torch.linalg.vector_norm((patches - self.mean) @ self.axes.T, dim=1)
        return found


HEADS = {"padim": Gaussians, "subspace": Subspace}
