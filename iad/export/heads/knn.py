"""Nearest neighbours of pooled embeddings as part of a graph; see `iad.detectors.knn.search` and `attribution`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from iad.export.heads import Found, Given, refused
from iad.export.parts import Part

TINY = float(np.finfo(np.float32).tiny)


def head(_: str, detector: Any, method: str) -> nn.Module:
    """The head of a fitted `iad.detectors.knn.detector.Detector`."""
    if detector.options.index != "exact":
        raise refused(method, f"method.index = {detector.options.index}", "method.index = exact")
    return Neighbors(detector)


def constants(module: nn.Module, **arrays: np.ndarray) -> None:
    """Keep arrays as float32 buffers of a module."""
    for name, array in arrays.items():
        module.register_buffer(name, torch.from_numpy(np.array(array, dtype=np.float32)))


class Neighbors(Part):
    """The mean distance to the k nearest good pictures, or that to the k-th, spread over the places of the picture."""

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.options, neighbors = detector.options, detector.neighbors
        space, projection = neighbors.space, neighbors.projection
        self.cosine = space.metric == "cosine"
        self.pooling, self.projects = detector.good.pooling, projection is not None
        constants(
            self, placed=neighbors.placed(neighbors.bank), bank=neighbors.bank, lengths=space.lengths(neighbors.bank),
            mean=space.scaling.mean, deviation=space.scaling.deviation,
        )  # fmt: skip
        if projection is not None:
            constants(self, centre=projection.mean, axes=projection.axes)
        self.maps = detector.good.contributions is not None
        if self.maps:
            self.register_buffer("vectors", torch.from_numpy(np.array(detector.good.contributions)))

    def forward(self, given: Given) -> Found:
        """Score `pooled` float32 `(1, D)`, with a map of `contributions` where there are any."""
        pooled = given["pooled"]
        placed, length = self._place(pooled)
        apart = placed - self.placed  # (N, C)
        squared, rows = torch.topk(apart.square().sum(1), self.options.k, largest=False)
        distances = squared / 2 if self.cosine else squared.sqrt()
        chosen = slice(self.options.k - 1 if self.options.aggregate == "kth" else 0, self.options.k)
        score = distances[chosen].mean()
        if not (self.maps and "contributions" in given):
            return score.reshape(1), None
        own = given["contributions"]  # (1, h, w, D)
        vectors = own.reshape(-1, own.shape[3])
        near = self.vectors[rows[chosen]].float().reshape(-1, *vectors.shape)  # (n, P, D)
        if self.pooling == "cls":
            values = _in_proportion(vectors, near, score)
        else:
            values = self._split(pooled, length, vectors, near, apart[rows[chosen]], rows[chosen])
        values = values + (score - values.sum()) / len(values)
        return score.reshape(1), values.reshape(own.shape[1:3])

    def _place(self, pooled: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Where it lies, `(1, C)`, and the length that it is divided by."""
        placed, length = (pooled - self.mean) / self.deviation, torch.ones(1)
        if self.cosine:
            length = placed.square().sum(1).sqrt().clamp(min=TINY)
            placed = placed / length
        if self.projects:
            placed = (placed - self.centre) @ self.axes.T
        return placed, length

    def _split(
        self, pooled: torch.Tensor, length: torch.Tensor, own: torch.Tensor, near: torch.Tensor, apart: torch.Tensor,
        rows: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """Shares `(P,)` of the mean distance; those of a mean up to a constant."""
        norms = torch.full((len(apart), 1), 2.0) if self.cosine else apart.square().sum(1, keepdim=True).sqrt()
        towards = apart / norms.clamp(min=TINY)
        if self.projects:
            towards = towards @ self.axes
        gradients = towards / self.deviation / len(apart)  # (n, D)
        lengths = self.lengths[rows][:, None]
        if self.pooling == "max":
            ends = (pooled - self.mean) / length - (self.bank[rows] - self.mean) / lengths
            reached = (own == own.amax(0)).float()  # (P, D)
            return reached @ ((gradients * ends).sum(0) / reached.sum(0))
        values = own @ (gradients.sum(0) / length)
        others = torch.bmm(near, (gradients / lengths)[:, :, None])  # (n, P, 1)
        return (values - others.sum(0)[:, 0]) / len(own)


def _in_proportion(own: torch.Tensor, near: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
    """Shares `(P,)` in proportion to how far each place lies from the nearest place of other pictures."""
    others = near.reshape(-1, near.shape[2])
    squared = others.square().sum(1) - 2 * own @ others.T + own.square().sum(1, keepdim=True)
    distances = squared.amin(1).clamp(min=0).sqrt()
    total = distances.sum()
    return torch.where(total > 0, score * distances / total.clamp(min=TINY), score / len(own))
