"""Mahalanobis distance under a Gaussian of good pictures with a shrunk covariance.

Rippel, Mertens and Merhof, "Modeling the Distribution of Normal Data in Pre-Trained Deep Features for Anomaly
Detection" (2021, arXiv:2005.14140), with the shrinkage of Ledoit and Wolf, "A Well-Conditioned Estimator for
Large-Dimensional Covariance Matrices" (2004). Rippel et al. sum the distances over several layers; here there is one.
"""

from __future__ import annotations

import numpy as np

from iad.detectors.classical import Score
from iad.errors import IadError


def fit(features: np.ndarray) -> Score:
    """Fit a Gaussian; the score is the distance to its mean, sqrt((x - m)' S^-1 (x - m)), without unit.

    Args:
        features: float64 `(N, D)`; N may be less than D.

    Raises:
        IadError: if all pictures are the same.
    """
    from scipy.linalg import cho_factor, cho_solve
    from sklearn.covariance import ledoit_wolf

    mean = features.mean(axis=0)
    if (features == features[0]).all():
        raise IadError("classical.mahalanobis: all good pictures have the same features; add others")
    factor = cho_factor(ledoit_wolf(features)[0])

    def score(rows: np.ndarray) -> np.ndarray:
        centred = rows - mean
        squared = np.einsum("nd,dn->n", centred, cho_solve(factor, centred.T))
        return np.asarray(np.sqrt(np.maximum(squared, 0)))

    return score
