"""Mahalanobis distance under a Gaussian of good pictures with a shrunk covariance.

Rippel, Mertens and Merhof, "Modeling the Distribution of Normal Data in Pre-Trained Deep Features for Anomaly
Detection" (2021, arXiv:2005.14140), with the shrinkage of Ledoit and Wolf, "A Well-Conditioned Estimator for
Large-Dimensional Covariance Matrices" (2004). Rippel et al. sum the distances over several layers; here there is one.
"""

from __future__ import annotations

import numpy as np

from iad.detectors.base import State
from iad.detectors.mahalanobis import Options
from iad.detectors.transforms import products
from iad.detectors.vector import VectorDetector
from iad.errors import IadError


class Detector(VectorDetector[Options]):
    """The score is the distance to the mean, sqrt((x - m)' S^-1 (x - m)), without unit."""

    @property
    def fewest(self) -> int:
        """Three, since the shrinkage of two is none."""
        return 3

    def learn(self, rows: np.ndarray) -> State:
        """Mean, and what makes the covariance the identity: the inverse of its lower Cholesky factor.

        Raises:
            IadError: if all pictures are the same, or too few for a covariance that can be inverted.
        """
        from scipy.linalg import LinAlgError, cholesky, solve_triangular
        from sklearn.covariance import ledoit_wolf

        if (rows == rows[0]).all():
            raise IadError(f"{self.options.section}: all good pictures have the same features; add others")
        try:
            factor = cholesky(ledoit_wolf(rows)[0], lower=True)
        except LinAlgError:
            raise IadError(
                f"{self.options.section}: the covariance of {len(rows)} good pictures has no inverse; add good "
                f"pictures: it takes {self.fewest} different ones at least, and more where some are left out"
            ) from None
        whitening = solve_triangular(factor, np.eye(len(factor)), lower=True)
        return State({"mean": rows.mean(axis=0), "whitening": np.ascontiguousarray(whitening)})

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Distance to the mean.

        >>> good = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 3.0], [0.0, -3.0]])  # variance 4.5 along either side
        >>> scores = Detector(Options()).fit(good).score(np.array([[0.0, 0.0], [4.5, 0.0]]))
        >>> (scores**2).round(6).tolist()  # 4.5 squared over 4.5
        [0.0, 4.5]
        """
        arrays = self.learned.arrays
        return np.asarray(np.linalg.norm(products(rows - arrays["mean"], arrays["whitening"]), axis=1))
