"""What one method said about test pictures: the arrays that every statistic of this room takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Verdicts:
    """Labels, scores and verdicts of the same N test pictures.

    Attributes:
        gt_label: int64 `(N,)`, 0 normal, 1 anomalous.
        pred_score: float64 `(N,)`, higher = more anomalous.
        rejected: bool `(N,)`, true where the method calls the picture anomalous.
    """

    gt_label: np.ndarray
    pred_score: np.ndarray
    rejected: np.ndarray

    @classmethod
    def of_table(cls, table: Any) -> Verdicts:
        """Take the columns `label`, `score` and `rejected` of a table, such as a DataFrame of scores.

        >>> Verdicts.of_table({"label": [0, 1], "score": [0.2, 0.9], "rejected": [False, True]}).false_alarms
        0
        """
        return cls(
            np.asarray(table["label"], dtype=np.int64),
            np.asarray(table["score"], dtype=np.float64),
            np.asarray(table["rejected"], dtype=bool),
        )

    @property
    def good(self) -> int:
        """Number of normal pictures."""
        return int((self.gt_label == 0).sum())

    @property
    def false_alarms(self) -> int:
        """Number of normal pictures that are rejected."""
        return int((self.rejected & (self.gt_label == 0)).sum())

    def equals(self, other: Verdicts) -> bool:
        """Whether every label, score and verdict is the same, in the same order.

        >>> one = Verdicts(np.array([0, 1]), np.array([0.2, 0.9]), np.array([False, True]))
        >>> one.equals(one), one.equals(Verdicts(one.gt_label, one.pred_score, ~one.rejected))
        (True, False)
        """
        mine, others = ((verdicts.gt_label, verdicts.pred_score, verdicts.rejected) for verdicts in (self, other))
        return all(np.array_equal(*pair) for pair in zip(mine, others, strict=True))
