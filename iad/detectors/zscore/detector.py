"""Z-score: how many standard deviations the features of a picture lie from those of good pictures.

Shewhart, "Economic Control of Quality of Manufactured Product" (1931): the oldest of the tests, feature by feature.
"""

from __future__ import annotations

import numpy as np

from iad.detectors.base import State
from iad.detectors.transforms import Scaling, fit_scaling
from iad.detectors.vector import VectorDetector
from iad.detectors.zscore import Options

AGGREGATES = {"mean": lambda z: z.mean(axis=1), "max": lambda z: z.max(axis=1)}


class Detector(VectorDetector[Options]):
    """The score is the mean or the largest |z| of the D features; one that never varies counts in feature units.

    >>> good = np.array([[0.0, 0.0], [2.0, 4.0]], dtype=np.float32)
    >>> Detector(Options(aggregate="mean")).fit(good).score_samples(np.array([[3.0, 2.0]]))  # |z| is 2 and 0
    array([1.])
    """

    def learn(self, rows: np.ndarray) -> State:
        """Mean and deviation (divisor N) of each feature.

        >>> learned = Detector(Options()).learn(np.array([[0.0], [4.0]]))
        >>> {name: array.tolist() for name, array in learned.arrays.items()}
        {'mean': [2.0], 'deviation': [2.0]}
        """
        scaling = fit_scaling(rows)
        return State({"mean": scaling.mean, "deviation": scaling.deviation})

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Aggregate of |z|.

        >>> good = np.array([[0.0, 0.0], [2.0, 4.0]])  # means 1 and 2, deviations 1 and 2
        >>> for name in ("max", "mean"):
        ...     Detector(Options(aggregate=name)).fit(good).score(np.array([[4.0, 4.0]])).tolist()
        [3.0]
        [2.0]
        """
        scaling = Scaling(self.learned.arrays["mean"], self.learned.arrays["deviation"])
        return np.asarray(AGGREGATES[self.options.aggregate](np.abs(scaling.apply(rows))))
