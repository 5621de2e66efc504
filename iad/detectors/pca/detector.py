"""PCA reconstruction error: distance to the subspace that good pictures span.

Jackson and Mudholkar, "Control Procedures for Residuals Associated with Principal Component Analysis" (Technometrics
1979); the score is the root of their Q.
"""

from __future__ import annotations

import numpy as np

from iad.detectors.classical import Score
from iad.detectors.projection import fit_projection


def fit(features: np.ndarray, *, components: float) -> Score:
    """Find the principal components of good pictures.

    Args:
        features: float64 `(N, D)`.
        components: a share of the variance below 1, or a number of components.

    Raises:
        IadError: if there are not that many components, or they leave nothing to measure.
    """
    return fit_projection(features, components, name="classical.pca.components").residual
