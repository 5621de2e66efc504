"""One method's scores and verdicts on the test pictures, and which pictures are worth showing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from iad.decision.pixel_thresholds import UNKNOWN_SCHEME
from iad.metrics.confusion import Confusion, confusion
from iad.metrics.image import rank


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one method said about the test pictures, and the verdicts that follow.

    Attributes:
        method: its name.
        image_id: str `(N,)`.
        gt_label: int64 `(N,)`, 0 normal, 1 anomalous.
        defect: str `(N,)`, "good" or the kind of defect.
        pred_score: float64 `(N,)`, higher = more anomalous.
        rejected: bool `(N,)`, the verdicts.
        calibration: float64 `(K,)`, the scores of good pictures behind the threshold.
        threshold: content of `threshold.json`.
        provenance: content of `provenance.json`.
        map_scheme: key of `iad.decision.promises.SCHEMES`, how the maps of the calibration pictures were made.
    """

    method: str
    image_id: np.ndarray
    gt_label: np.ndarray
    defect: np.ndarray
    pred_score: np.ndarray
    rejected: np.ndarray
    calibration: np.ndarray
    threshold: Mapping[str, Any]
    provenance: Mapping[str, Any]
    map_scheme: str = UNKNOWN_SCHEME

    def check(self, origin: str) -> None:
        """Refuse scores or labels of which no metric can be taken.

        Raises:
            IadError: beginning with `origin`, if a score is not finite, a label unknown, or no picture there.
        """
        rank(self.gt_label, self.pred_score, origin=origin)

    @cached_property
    def confusion(self) -> Confusion:
        """Verdicts counted against labels."""
        return confusion(self.gt_label, self.rejected)

    @property
    def backbone(self) -> str:
        """Name of the network behind the scores."""
        return str(self.provenance.get("model", {}).get("name", "-"))

    @property
    def history(self) -> list[Mapping[str, Any]]:
        """Losses by epoch of a method that was trained; none of one that was not."""
        return list(self.provenance.get("model", {}).get("history", ()))

    def typical(self, label: int, count: int) -> np.ndarray:
        """Rows of up to `count` pictures with this label, at evenly spaced quantiles of their scores, int64."""
        rows = np.flatnonzero(self.gt_label == label)
        ordered = rows[np.argsort(self.pred_score[rows], kind="stable")]
        picks = (np.arange(count) + 1) * len(rows) // (count + 1)
        return ordered[np.unique(picks)] if len(rows) else rows

    def worst_misses(self, count: int) -> np.ndarray:
        """Rows of anomalous pictures that pass, lowest score first, at most `count`, int64."""
        return self._extreme((self.gt_label == 1) & ~self.rejected, self.pred_score, count)

    def worst_false_alarms(self, count: int) -> np.ndarray:
        """Rows of good pictures that are rejected, highest score first, at most `count`, int64."""
        return self._extreme((self.gt_label == 0) & self.rejected, -self.pred_score, count)

    def _extreme(self, chosen: np.ndarray, key: np.ndarray, count: int) -> np.ndarray:
        rows = np.flatnonzero(chosen)
        return rows[np.argsort(key[rows], kind="stable")][:count]
