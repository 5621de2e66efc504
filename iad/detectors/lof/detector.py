"""Local outlier factor: how much thinner good pictures lie around a picture than around its neighbours.

Breunig, Kriegel, Ng and Sander, "LOF: Identifying Density-Based Local Outliers" (2000), as novelty detection: the
neighbours are good pictures, and a new picture is compared with them.
"""

from __future__ import annotations

import numpy as np

from iad.detectors.classical import Score
from iad.errors import IadError


def fit(features: np.ndarray, *, n_neighbors: int) -> Score:
    """Measure the density around each good picture; the score is the factor itself, about 1 for what is like them.

    Args:
        features: float64 `(N, D)`; distances are Euclidean.
        n_neighbors: neighbours of each picture ("MinPts").

    Raises:
        IadError: if the good pictures do not have that many neighbours among themselves.
    """
    if len(features) - 1 < n_neighbors:
        raise IadError(
            f"classical.lof.n_neighbors = {n_neighbors}: each of {len(features)} good pictures has only "
            f"{len(features) - 1} others; set it to {len(features) - 1} or less, or add good pictures"
        )
    from sklearn.neighbors import LocalOutlierFactor

    model = LocalOutlierFactor(n_neighbors=n_neighbors, novelty=True).fit(features)
    return lambda rows: -np.asarray(model.score_samples(rows))
