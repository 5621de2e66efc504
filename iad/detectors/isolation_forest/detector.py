"""Isolation forest: how few random cuts it takes to part a picture from the good ones.

Liu, Ting and Zhou, "Isolation Forest" (2008), equations 1 and 2. The trees are grown by scikit-learn; what is kept of
them is where each cuts, so that no object of its own has to be stored.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from iad.detectors.base import State
from iad.detectors.isolation_forest import Options
from iad.detectors.vector import VectorDetector

SAMPLES = 256  # pictures per tree, as in the paper; all of them where there are fewer


class Detector(VectorDetector[Options]):
    """The score is 2^(-E[h(x)] / c(n)), in (0, 1], about 0.5 for what is like the rest."""

    @property
    def fewest(self) -> int:
        """Three, since trees of two score everything alike."""
        return 3

    def learn(self, rows: np.ndarray) -> State:
        """Grow the trees; nodes of all of them stand one after the other, and a leaf has no feature (-1)."""
        from sklearn.ensemble import IsolationForest

        samples = min(SAMPLES, len(rows))
        model = IsolationForest(n_estimators=self.options.trees, max_samples=samples, random_state=self.seed).fit(rows)
        trees = [_nodes(estimator.tree_) for estimator in model.estimators_]
        starts = np.cumsum([0, *(len(tree["feature"]) for tree in trees)])[:-1]
        for start, tree in zip(starts, trees, strict=True):
            tree["left"], tree["right"] = tree["left"] + start, tree["right"] + start
        joined = {name: np.concatenate([tree[name] for tree in trees]) for name in trees[0]}
        return State(joined | {"roots": starts}, {"samples": samples})

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Mean path length over the trees, against that of a search that fails.

        >>> good = np.arange(8.0)[:, None]
        >>> inside, outside = Detector(Options()).fit(good).score(np.array([[3.5], [100.0]]))
        >>> bool(inside < outside)
        True
        """
        nodes, values = self.learned.arrays, rows.astype(np.float32)  # the type in which the trees were grown
        depths = np.zeros(len(rows))
        for root in nodes["roots"]:
            place = np.full(len(rows), root)
            while (inside := np.flatnonzero(nodes["feature"][place] >= 0)).size:
                at = place[inside]
                goes_left = values[inside, nodes["feature"][at]] <= nodes["cut"][at]
                place[inside] = np.where(goes_left, nodes["left"][at], nodes["right"][at])
            depths += nodes["length"][place]
        usual = len(nodes["roots"]) * _average_length(np.array([self.learned.values["samples"]]))
        return np.asarray(2 ** -np.divide(depths, usual, out=np.ones_like(depths), where=usual != 0))


def _nodes(tree: Any) -> dict[str, np.ndarray]:
    leaf = tree.children_left < 0
    length = tree.compute_node_depths() + _average_length(tree.n_node_samples) - 1.0
    return {
        "feature": np.where(leaf, -1, tree.feature).astype(np.int64),
        "cut": np.asarray(tree.threshold, dtype=np.float64),
        "left": np.asarray(tree.children_left, dtype=np.int64),
        "right": np.asarray(tree.children_right, dtype=np.int64),
        "length": np.asarray(length, dtype=np.float64),
    }


def _average_length(samples: np.ndarray) -> np.ndarray:
    """c(n): mean path length of an unsuccessful search among n pictures, float64 (equation 1)."""
    n = np.maximum(np.asarray(samples, dtype=np.float64), 3)
    many = 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n
    return np.select([np.asarray(samples) <= 1, np.asarray(samples) == 2], [0.0, 1.0], many)
