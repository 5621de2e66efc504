"""PCA reconstruction error: distance to the subspace that good pictures span.

Jackson and Mudholkar, "Control Procedures for Residuals Associated with Principal Component Analysis" (Technometrics
1979); the score is the root of their Q.
"""

from __future__ import annotations

import numpy as np

from iad.detectors.base import State
from iad.detectors.pca import Options
from iad.detectors.transforms import fit_projection, projection_of, whole
from iad.detectors.vector import FEWEST, VectorDetector


class Detector(VectorDetector[Options]):
    """The score is the Euclidean distance to the subspace, in feature units.

    >>> line = np.outer(np.arange(3.0, dtype=np.float32), [3, 4])
    >>> Detector(Options(components=1)).fit(line).score_samples(np.array([[6.0, 8.0], [-4.0, 3.0]])).round(6)
    array([0., 5.])
    """

    @property
    def fewest(self) -> int:
        """More than the principal components."""
        return max(FEWEST, whole(self.options.components) + 1)

    def learn(self, rows: np.ndarray) -> State:
        """Principal components; refused if there are not that many.

        >>> Detector(Options(components=2)).learn(np.zeros((2, 8)))
        Traceback (most recent call last):
        iad.errors.IadError: classical.pca.components = 2: 2 good pictures with 8 features give 1 principal ...
        """
        return fit_projection(rows, self.options.components, name=f"{self.options.section}.components").state()

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Distance to the subspace.

        >>> fitted = Detector(Options(components=1)).fit(np.array([[0.0, 0.0], [2.0, 0.0]]))
        >>> fitted.score(np.array([[9.0, 0.0], [1.0, 4.0]])).round(6).tolist()  # only what leaves the line counts
        [0.0, 4.0]
        """
        return projection_of(self.learned).residual(rows)
