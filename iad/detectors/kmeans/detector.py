"""k-means: distance to the nearest of the centres that sum up the good pictures.

Lloyd, "Least Squares Quantization in PCM" (1982), seeded by k-means++ (Arthur and Vassilvitskii 2007).
"""

from __future__ import annotations

import numpy as np

from iad.detectors.base import State
from iad.detectors.kmeans import Options
from iad.detectors.vector import FEWEST, VectorDetector
from iad.errors import IadError

STARTS = 10


class Detector(VectorDetector[Options]):
    """The score is the Euclidean distance to the nearest centre, in feature units."""

    @property
    def fewest(self) -> int:
        """One for each centre, and two in any case."""
        return max(FEWEST, self.options.clusters)

    def learn(self, rows: np.ndarray) -> State:
        """The best centres of ten starts; refused if there are fewer different pictures than centres.

        >>> good = np.array([[0.0], [2.0], [10.0], [12.0]])
        >>> sorted(Detector(Options(clusters=2)).learn(good).arrays["centres"].ravel().tolist())
        [1.0, 11.0]
        """
        different = len(np.unique(rows, axis=0))
        if different < self.options.clusters:
            raise IadError(
                f"{self.options.section}.clusters = {self.options.clusters}: only {different} different good pictures "
                f"to cluster; set it to {different} or less, or add good pictures: it takes "
                f"{self.options.clusters} different ones at least"
            )
        from sklearn.cluster import KMeans

        model = KMeans(n_clusters=self.options.clusters, n_init=STARTS, random_state=self.seed).fit(rows)
        return State({"centres": model.cluster_centers_})

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Distance to the nearest centre.

        >>> good = np.array([[0.0], [2.0], [10.0], [12.0]])
        >>> Detector(Options(clusters=2)).fit(good).score(np.array([[1.0], [7.0]])).tolist()  # centres 1 and 11
        [0.0, 4.0]
        """
        from scipy.spatial.distance import cdist

        return np.asarray(cdist(rows, self.learned.arrays["centres"]).min(axis=1))
