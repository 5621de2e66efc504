"""k-means: distance to the nearest of the centres that sum up the good pictures.

Lloyd, "Least Squares Quantization in PCM" (1982), seeded by k-means++ (Arthur and Vassilvitskii 2007).
"""

from __future__ import annotations

import numpy as np

from iad.detectors.classical import Score
from iad.errors import IadError

STARTS = 10


def fit(features: np.ndarray, *, clusters: int, seed: int) -> Score:
    """Cluster good pictures; the score is the Euclidean distance to the nearest centre, in feature units.

    Args:
        features: float64 `(N, D)`.
        clusters: number of centres.
        seed: of the ten starts, of which the best counts.

    Raises:
        IadError: if there are fewer different pictures than centres.
    """
    different = len(np.unique(features, axis=0))
    if different < clusters:
        raise IadError(
            f"classical.kmeans.clusters = {clusters}: only {different} different good pictures to cluster; "
            f"set it to {different} or less, or add good pictures"
        )
    from sklearn.cluster import KMeans

    model = KMeans(n_clusters=clusters, n_init=STARTS, random_state=seed).fit(features)
    return lambda rows: np.asarray(model.transform(rows).min(axis=1))
