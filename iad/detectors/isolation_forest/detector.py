"""Isolation forest: how few random cuts it takes to part a picture from the good ones.

Liu, Ting and Zhou, "Isolation Forest" (2008), equation 2.
"""

from __future__ import annotations

import numpy as np

from iad.detectors.classical import Score

SAMPLES = 256  # pictures per tree, as in the paper; all of them where there are fewer


def fit(features: np.ndarray, *, trees: int, seed: int) -> Score:
    """Grow the trees; the score is 2^(-E[h(x)] / c(n)), in (0, 1], about 0.5 for what is like the rest.

    Args:
        features: float64 `(N, D)`.
        trees: number of trees.
        seed: of the pictures and the cuts.
    """
    from sklearn.ensemble import IsolationForest

    samples = min(SAMPLES, len(features))
    model = IsolationForest(n_estimators=trees, max_samples=samples, random_state=seed).fit(features)
    return lambda rows: -np.asarray(model.score_samples(rows))
