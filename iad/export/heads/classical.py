"""Detectors of pooled embeddings as parts of a graph, in float64 like themselves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from iad.export.heads import Found, Given
from iad.export.parts import Part


def head(kind: str, detector: Any, _: str) -> nn.Module:
    """The head of a fitted detector of this kind."""
    return HEADS[kind](detector)


class Scaled(Part):
    """A pooled embedding, scaled; a subclass scores it.

    Its arrays become buffers of the names that they have in the detector's state.
    """

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.options, self.values = detector.options, detector.learned.values
        arrays = dict(detector.learned.arrays)
        arrays |= {"scaling.mean": detector.scaling.mean, "scaling.deviation": detector.scaling.deviation}
        for name, array in arrays.items():
            self.register_buffer(name.replace(".", "_"), torch.from_numpy(np.array(array)))

    def forward(self, given: Given) -> Found:
        """Score `pooled` float32 `(1, D)`; there is no map."""
        row = (given["pooled"][0].double() - self.scaling_mean) / self.scaling_deviation
        return self.score(row).reshape(1).float(), None

    def score(self, row: torch.Tensor) -> torch.Tensor:
        """Of a row float64 `(D,)`."""
        raise NotImplementedError

    def projected(self, row: torch.Tensor) -> torch.Tensor:
        """Coordinates along the principal components."""
        return self.projection_axes @ (row - self.projection_mean)


class ZScore(Scaled):
    """`iad.detectors.zscore`."""

    def score(self, row: torch.Tensor) -> torch.Tensor:
        """Aggregate of |z|."""
        z = ((row - self.mean) / self.deviation).abs()
        return z.mean() if self.options.aggregate == "mean" else z.amax(0)


class Subspace(Scaled):
    """`iad.detectors.pca`."""

    def score(self, row: torch.Tensor) -> torch.Tensor:
        """Distance to the subspace."""
        within = self.projection_axes.T @ self.projected(row)
        return _length(row - self.projection_mean - within)


class Mahalanobis(Scaled):
    """`iad.detectors.mahalanobis`."""

    def score(self, row: torch.Tensor) -> torch.Tensor:
        """Distance to the mean."""
        return _length(self.whitening @ (row - self.mean))


class KMeans(Scaled):
    """`iad.detectors.kmeans`."""

    def score(self, row: torch.Tensor) -> torch.Tensor:
        """Distance to the nearest centre."""
        return (row - self.centres).square().sum(1).amin(0).sqrt()


class SupportVectors(Scaled):
    """`iad.detectors.ocsvm`."""

    def score(self, row: torch.Tensor) -> torch.Tensor:
        """Distance from the boundary."""
        squared = (row - self.support_vectors).square().sum(1)
        return float(self.values["rho"]) - (torch.exp(-self.values["gamma"] * squared) * self.alpha).sum()


class Mixture(Scaled):
    """`iad.detectors.gmm`."""

    def score(self, row: torch.Tensor) -> torch.Tensor:
        """Negative log density."""
        placed = self.projected(row) if self.options.pca else row
        logs = torch.stack([self._log_density(placed, number) for number in range(len(self.weights))])
        highest = logs.amax(0)
        return -(highest + torch.log(torch.exp(logs - highest).sum()))

    def _log_density(self, row: torch.Tensor, number: int) -> torch.Tensor:
        tied = self.options.covariance == "tied"
        whitening = self.whitening if tied else self.whitening[number]
        scales = (torch.diagonal(whitening) if whitening.ndim == 2 else whitening).expand(len(row))
        constant = float(torch.log(self.weights[number]) + torch.log(scales).sum())
        constant -= len(row) * math.log(2 * math.pi) / 2
        centred = row - self.means[number]
        white = whitening @ centred if whitening.ndim == 2 else centred * whitening
        return constant - white.square().sum() / 2


HEADS: dict[str, Callable[[Any], Scaled]] = {
    "gmm": Mixture, "kmeans": KMeans, "mahalanobis": Mahalanobis, "ocsvm": SupportVectors, "pca": Subspace,
    "zscore": ZScore,
}  # fmt: skip


def _length(vector: torch.Tensor) -> torch.Tensor:
    return vector.square().sum().sqrt()
