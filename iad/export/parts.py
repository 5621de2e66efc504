"""The base of all parts of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn


class Part(nn.Module):
    """A module whose buffers are named by what it was made of; what is no attribute of its own is one of them."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> torch.Tensor: ...
