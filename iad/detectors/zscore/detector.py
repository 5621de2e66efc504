"""Z-score: how many standard deviations the features of a picture lie from those of good pictures.

Shewhart, "Economic Control of Quality of Manufactured Product" (1931): the oldest of the tests, feature by feature.
"""

from __future__ import annotations

import numpy as np

from iad.detectors.classical import Score
from iad.detectors.scaling import fit_scaling

AGGREGATES = {"mean": lambda z: z.mean(axis=1), "max": lambda z: z.max(axis=1)}


def fit(features: np.ndarray, *, aggregate: str) -> Score:
    """Take the mean and deviation (divisor N) of each feature; a feature that never varies counts in feature units.

    Args:
        features: float64 `(N, D)`.
        aggregate: "mean" or "max" of |z| over the D features.

    >>> score = fit(np.array([[0.0, 0.0], [2.0, 4.0]]), aggregate="mean")
    >>> score(np.array([[3.0, 2.0]]))  # |z| is 2 and 0
    array([1.])
    """
    scaling = fit_scaling(features)
    return lambda rows: np.asarray(AGGREGATES[aggregate](np.abs(scaling.apply(rows))))
