"""Detectors as parts of a graph, one file per kind: embeddings of one picture to its score and its coarse map.

A head is a module: from embeddings by part (`iad.export.embedding.Network.forward`; of a detector that looks at
pixels, `pixels` float32 `(1, 3, H, W)` from 0 to 255) to the score, float32 `(1,)`, higher = more anomalous, and the
map, float32 `(h, w)`, or None.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from torch import nn

from iad.errors import IadError

Found: TypeAlias = tuple[torch.Tensor, torch.Tensor | None]
Given: TypeAlias = Mapping[str, torch.Tensor]

FILES = {
    "autoencoder": "autoencoder", "gmm": "classical", "isolation_forest": "trees", "kmeans": "classical",
    "knn": "knn", "lof": "neighborhood", "mahalanobis": "classical", "ocsvm": "classical",
    "padim": "places", "patch": "patch", "pca": "classical", "subspace": "places", "zscore": "classical",
}  # fmt: skip
"""The file of each detector that has a head; a hybrid is made of those of its members."""


def head_of(kind: str, detector: Any, method: str) -> nn.Module:
    """The head of a fitted detector.

    Args:
        kind: name of the detector.
        detector: fitted.
        method: its name, for refusals.

    Raises:
        IadError: if detectors of this kind, or with these options, cannot be part of a graph.
    """
    if kind not in FILES:
        known = ", ".join(sorted([*FILES, "hybrid"]))
        raise IadError(f"{method}: the detector {kind} cannot be exported; those that can are {known}")
    module = importlib.import_module(f"iad.export.heads.{FILES[kind]}")
    made: nn.Module = module.head(kind, detector, method)
    if (places := getattr(detector, "places", None)) is None:
        return made
    from iad.export.heads.region import Kept

    return Kept(made, places)


def refused(method: str, option: str, instead: str) -> IadError:
    """The refusal of a fitted detector that cannot be exported as it is."""
    return IadError(f"{method}: {option} cannot be exported; fit the method with {instead}, or export another")
