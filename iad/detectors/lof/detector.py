"""Local outlier factor: how much thinner good pictures lie around a picture than around its neighbours.

Breunig, Kriegel, Ng and Sander, "LOF: Identifying Density-Based Local Outliers" (2000), definitions 6 and 7, as novelty
detection: the neighbours are good pictures, and a new picture is compared with them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from iad.detectors.base import State
from iad.detectors.lof import Options
from iad.detectors.vector import VectorDetector, one_thread
from iad.errors import IadError

TINY = 1e-10  # added to a mean distance, since copies have a density without end (as scikit-learn does)


class Detector(VectorDetector[Options]):
    """The score is the factor itself, about 1 for what is like the good pictures; distances are Euclidean."""

    def learn(self, rows: np.ndarray) -> State:
        """Each good picture's distance to its k-th neighbour, and its density.

        Raises:
            IadError: if the good pictures do not have that many neighbours among themselves.
        """
        k, others = self.options.n_neighbors, len(rows) - 1
        if others < k:
            raise IadError(
                f"{self.options.section}.n_neighbors = {k}: each good picture has only {others} others; "
                f"set it to {others} or less, or add good pictures"
            )
        distances, neighbors = self._search(rows).kneighbors()  # without the picture itself
        reach = distances[:, k - 1]
        return State({"rows": rows, "reach": reach, "density": _density(distances, reach[neighbors])})

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Mean density of the neighbours over the picture's own."""
        arrays = self.learned.arrays
        with one_thread():
            distances, neighbors = self._search(arrays["rows"]).kneighbors(rows)
        own = _density(distances, arrays["reach"][neighbors])
        return np.asarray((arrays["density"][neighbors] / own[:, None]).mean(axis=1))

    def _search(self, rows: np.ndarray) -> Any:
        from sklearn.neighbors import NearestNeighbors

        return NearestNeighbors(n_neighbors=self.options.n_neighbors).fit(rows)


def _density(distances: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Local reachability density float64 `(n,)` from distances to k neighbours and their reach, each `(n, k)`."""
    return np.asarray(1.0 / (np.maximum(distances, reach).mean(axis=1) + TINY))
