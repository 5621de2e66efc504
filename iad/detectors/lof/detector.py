"""Local outlier factor: how much thinner good pictures lie around a picture than around its neighbours.

Breunig, Kriegel, Ng and Sander, "LOF: Identifying Density-Based Local Outliers" (2000), definitions 6 and 7, as novelty
detection: the neighbours are good pictures, and a new picture is compared with them.
"""

from __future__ import annotations

import numpy as np

from iad.detectors.base import State
from iad.detectors.lof import Options
from iad.detectors.vector import VectorDetector
from iad.errors import IadError
from iad.neighbors.brute import nearest_rows

TINY = 1e-10  # added to a mean distance, since copies have a density without end (as scikit-learn does)


class Detector(VectorDetector[Options]):
    """The score is the factor itself, about 1 for what is like the good pictures; distances are Euclidean."""

    @property
    def fewest(self) -> int:
        """Each picture and its neighbours."""
        return self.options.n_neighbors + 1

    def learn(self, rows: np.ndarray) -> State:
        """Each good picture's distance to its k-th neighbour, and its density.

        Raises:
            IadError: if the good pictures do not have that many neighbours among themselves.

        >>> good = np.array([[0.0], [1.0], [3.0]])
        >>> Detector(Options(n_neighbors=1)).learn(good).arrays["reach"].tolist()
        [1.0, 1.0, 2.0]
        """
        k, others = self.options.n_neighbors, len(rows) - 1
        if others < k:
            raise IadError(
                f"{self.options.section}.n_neighbors = {k}: each good picture has only {others} others; "
                f"set it to {others} or less, or add good pictures: it takes {k + 1} at least"
            )
        distances, neighbors = self._nearest(rows, rows, np.arange(len(rows)))
        reach = distances[:, k - 1]
        return State({"rows": rows, "reach": reach, "density": _density(distances, reach[neighbors])})

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Mean density of the neighbours over the picture's own.

        >>> good = np.arange(5.0)[:, None]
        >>> Detector(Options(n_neighbors=1)).fit(good).score(np.array([[7.0]])).round(6)  # 3 from one that has 1
        array([3.])
        """
        arrays = self.learned.arrays
        distances, neighbors = self._nearest(arrays["rows"], rows)
        own = _density(distances, arrays["reach"][neighbors])
        return np.asarray((arrays["density"][neighbors] / own[:, None]).mean(axis=1))

    def _nearest(
        self, good: np.ndarray, rows: np.ndarray, leave_out: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        squared, neighbors = nearest_rows(good, rows, self.options.n_neighbors, leave_out)
        return np.sqrt(squared), neighbors


def _density(distances: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Local reachability density float64 `(n,)` from distances to k neighbours and their reach, each `(n, k)`."""
    return np.asarray(1.0 / (np.maximum(distances, reach).mean(axis=1) + TINY))
