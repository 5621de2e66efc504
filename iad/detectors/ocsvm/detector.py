"""One-class support vector machine: which side of the boundary around good pictures, and how far.

Schölkopf, Platt, Shawe-Taylor, Smola and Williamson, "Estimating the Support of a High-Dimensional Distribution"
(2001), equation 3.32 in their scale: the weights of the support vectors sum to 1. scikit-learn's sum to nu N, so that
its values would grow with the number of pictures, and those of calibration, fitted on fewer, would all run low.
"""

from __future__ import annotations

import numpy as np

from iad.detectors.base import State
from iad.detectors.ocsvm import Options
from iad.detectors.vector import VectorDetector


class Detector(VectorDetector[Options]):
    """The score is rho - sum alpha_i K(x_i, x): above 0 outside the boundary, below 0 inside.

    K(x, y) = exp(-gamma |x - y|^2).
    """

    def learn(self, rows: np.ndarray) -> State:
        """Support vectors, their weights alpha, and rho; `gamma` is in units of 1 / (D variance of all features)."""
        from sklearn.svm import OneClassSVM

        variance = rows.var()
        scale = 1 / (rows.shape[1] * variance) if variance > 0 else 1.0
        gamma = float(self.options.gamma * scale)
        model = OneClassSVM(kernel="rbf", nu=self.options.nu, gamma=gamma).fit(rows)
        total = float(model.dual_coef_.sum())
        return State(
            {"support_vectors": model.support_vectors_, "alpha": model.dual_coef_[0] / total},
            {"rho": float(-model.intercept_[0]) / total, "gamma": gamma},
        )

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Distance from the boundary, in the unit of the kernel.

        >>> good = np.linspace(-1, 1, 9)[:, None]
        >>> (Detector(Options()).fit(good).score(np.array([[0.0], [5.0]])) > 0.01).tolist()  # within and without
        [False, True]
        """
        from scipy.spatial.distance import cdist

        learned = self.learned
        kernel = np.exp(-learned.values["gamma"] * cdist(rows, learned.arrays["support_vectors"], "sqeuclidean"))
        return np.asarray(learned.values["rho"] - (kernel * learned.arrays["alpha"]).sum(axis=1))
