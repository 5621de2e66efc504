"""One-class support vector machine: which side of the boundary around good pictures, and how far.

Schölkopf, Platt, Shawe-Taylor, Smola and Williamson, "Estimating the Support of a High-Dimensional Distribution"
(2001), equation 3.32 in their scale: the weights of the support vectors sum to 1. scikit-learn's sum to nu N, so that
its values would grow with the number of pictures, and those of calibration, fitted on fewer, would all run low.
"""

from __future__ import annotations

import numpy as np

from iad.detectors.classical import Score


def fit(features: np.ndarray, *, nu: float, gamma: float) -> Score:
    """Fit the boundary; the score is rho - sum alpha_i K(x_i, x): above 0 outside, and below 0 inside.

    Args:
        features: float64 `(N, D)`.
        nu: upper bound on the share of good pictures outside, in (0, 1].
        gamma: of the kernel exp(-gamma |x - y|^2), in units of 1 / (D variance of all features); 1 is the usual choice.
    """
    from sklearn.svm import OneClassSVM

    variance = features.var()
    scale = 1 / (features.shape[1] * variance) if variance > 0 else 1.0
    model = OneClassSVM(kernel="rbf", nu=nu, gamma=gamma * scale).fit(features)
    weights = float(model.dual_coef_.sum())
    return lambda rows: -np.asarray(model.decision_function(rows)) / weights
