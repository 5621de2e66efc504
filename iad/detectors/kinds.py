"""Detectors that can do more than the protocol asks: take in further good pictures, or be made of others."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from iad.detectors.base import Detector, Embeddings, OptionsT, Prediction, Takes


class Extendable(Detector[OptionsT]):
    """A detector that takes in more good pictures without being fitted again to those it knows."""

    @abstractmethod
    def add(self, good: Embeddings) -> Self:
        """A new detector, fitted to these pictures too; they count after those that were there."""

    @abstractmethod
    def drop(self, keep: np.ndarray) -> Self:
        """A new detector without the pictures whose place in `keep`, bool `(N,)`, is False.

        Raises:
            IadError: if none is left.
        """

    @abstractmethod
    def merge(self, others: Sequence[Self]) -> Self:
        """A new detector, fitted to the pictures of all; they count in the order given."""

    @abstractmethod
    def recall(self, rows: np.ndarray) -> Embeddings | None:
        """What it holds of these pictures, int64 `(M,)`, as `predict` wants it; None if it keeps too little of them."""


class Composite(Detector[OptionsT]):
    """A detector that is made of others, and says what they say together, on scales that calibrating pictures set.

    Attributes:
        members: by name.
        calibration: what `iad.detectors.calibrate.calibrate` found when it was fitted; None once loaded, or where
            pictures set apart are to calibrate it.
    """

    takes: ClassVar[Takes] = "members"

    members: Mapping[str, Detector[Any]]
    calibration: Any = None

    @abstractmethod
    def align(self, calibration: Mapping[str, Prediction]) -> Self:
        """Set the scale of each member by what it says, out of sample, of good pictures; returns itself."""

    @abstractmethod
    def combine(self, predictions: Mapping[str, Prediction]) -> Prediction:
        """One prediction from what each member says of the same pictures."""
