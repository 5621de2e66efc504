"""What one method said about test pictures, apart from which they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Pictures:
    """Labels, scores and verdicts of test pictures.

    Attributes:
        labels: int64 `(N,)`, 0 normal, 1 anomalous.
        scores: float64 `(N,)`, higher = more anomalous.
        rejected: bool `(N,)`.
    """

    labels: np.ndarray
    scores: np.ndarray
    rejected: np.ndarray

    def at(self, rows: np.ndarray) -> Pictures:
        """The pictures of these rows, int64 `(M,)` or bool `(N,)`."""
        return Pictures(self.labels[rows], self.scores[rows], self.rejected[rows])

    def equals(self, other: Pictures) -> bool:
        """Whether every label, score and verdict is the same."""
        pairs = ((self.labels, other.labels), (self.scores, other.scores), (self.rejected, other.rejected))
        return all(np.array_equal(mine, others) for mine, others in pairs)
