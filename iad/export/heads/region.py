"""What a region of interest keeps, as part of a graph; the same steps as `iad.detectors.places`."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from iad.export.heads import Found, Given
from iad.export.parts import Part


class Kept(Part):
    """A head that sees the places of patches that count as one line, its map spread over the grid again.

    Args:
        head: of the detector.
        places: those that count.
    """

    def __init__(self, head: nn.Module, places: Any) -> None:
        super().__init__()
        self.head, self.shape = head, places.shape
        self.register_buffer("numbers", torch.from_numpy(places.numbers))
        self.register_buffer("nearest", torch.from_numpy(places.nearest))

    def forward(self, given: Given) -> Found:
        """Score `patches` float32 `(1, h, w, D)`; pixels pass as they are, since their cells come later."""
        kept = dict(given)
        if "patches" in given:
            patches = given["patches"]
            kept["patches"] = patches.reshape(1, -1, patches.shape[3])[:, self.numbers][:, None]  # (1, 1, P, D)
        score, line = self.head(kept)
        return score, None if line is None else line.reshape(-1)[self.nearest].reshape(self.shape)
