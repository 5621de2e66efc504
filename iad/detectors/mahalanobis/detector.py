"""Mahalanobis distance under a Gaussian of good pictures with a shrunk covariance.

Rippel, Mertens and Merhof, "Modeling the Distribution of Normal Data in Pre-Trained Deep Features for Anomaly
Detection" (2021, arXiv:2005.14140), with the shrinkage of Ledoit and Wolf, "A Well-Conditioned Estimator for
Large-Dimensional Covariance Matrices" (2004). Rippel et al. sum the distances over several layers; here there is one.
"""

from __future__ import annotations

import numpy as np

from iad.detectors.base import State
from iad.detectors.mahalanobis import Options
from iad.detectors.vector import VectorDetector
from iad.errors import IadError


class Detector(VectorDetector[Options]):
    """The score is the distance to the mean, sqrt((x - m)' S^-1 (x - m)), without unit."""

    def learn(self, rows: np.ndarray) -> State:
        """Mean, and Cholesky factor of the covariance; refused if all pictures are the same."""
        from scipy.linalg import cho_factor
        from sklearn.covariance import ledoit_wolf

        if (rows == rows[0]).all():
            raise IadError(f"{self.options.section}: all good pictures have the same features; add others")
        factor, lower = cho_factor(ledoit_wolf(rows)[0])
        return State({"mean": rows.mean(axis=0), "factor": factor}, {"lower": bool(lower)})

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Distance to the mean."""
        from scipy.linalg import cho_solve

        centred = rows - self.learned.arrays["mean"]
        factor = (self.learned.arrays["factor"], self.learned.values["lower"])
        squared = np.einsum("nd,dn->n", centred, cho_solve(factor, centred.T))
        return np.asarray(np.sqrt(np.maximum(squared, 0)))
