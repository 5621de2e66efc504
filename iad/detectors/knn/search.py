"""Distance to the k nearest good pictures as the anomaly score.

Small banks are compared pair by pair (`iad.neighbors.brute`), large ones go through the exact search of
`iad.neighbors.exact`, and approximate indexes are in `approximate.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from iad.detectors.base import State
from iad.detectors.knn.approximate import ApproximateIndex, build_index, load_index, without_own
from iad.detectors.transforms import (
    Projection,
    Scaling,
    fit_projection,
    fit_scaling,
    no_scaling,
    projection_of,
)
from iad.errors import IadError
from iad.neighbors.brute import QUERY_ROWS, double, nearest_rows
from iad.progress import bar
from iad.words import counted

FEWEST = 3  # good pictures for a threshold: two are each other's only neighbour, and score the same
LARGE = 20_000  # rows from which a search that filters first is worth the seconds that PyTorch takes to import
AGGREGATES = {"mean": lambda nearest: nearest.mean(axis=1), "kth": lambda nearest: nearest[:, -1]}

Search: TypeAlias = Callable[[np.ndarray, int, np.ndarray | None], tuple[np.ndarray, np.ndarray]]
"""From placed queries, k and the rows to leave out to squared distances and rows, `(M, k)` each."""


@dataclass(frozen=True, eq=False)
class Nearest:
    """Nearest good pictures of M queries, nearest first.

    Attributes:
        distances: float64 `(M, k)`, in the metric's unit, ascending.
        rows: int64 `(M, k)`, where they stand in the bank.
    """

    distances: np.ndarray
    rows: np.ndarray

    def scores(self, aggregate: str) -> np.ndarray:
        """Score float64 `(M,)`, higher = more anomalous, by a key of `AGGREGATES`.

        >>> found = Nearest(distances=np.array([[1.0, 3.0]]), rows=np.array([[4, 0]]))
        >>> [found.scores(name).tolist() for name in ("mean", "kth")]
        [[2.0], [3.0]]
        """
        return np.asarray(AGGREGATES[aggregate](self.distances))


@dataclass(frozen=True)
class Space:
    """How features are placed before distances are taken: optional scaling, then unit length for cosine."""

    metric: str
    scaling: Scaling

    def place(self, features: np.ndarray) -> np.ndarray:
        """Return float64 `(n, D)` for features `(n, D)` of any float type.

        >>> [Space(metric, no_scaling(2)).place(np.array([[3, 4]])).tolist() for metric in ("euclidean", "cosine")]
        [[[3.0, 4.0]], [[0.6, 0.8]]]
        """
        placed = self.scaling.apply(features)
        if self.metric == "cosine":
            placed /= _lengths(placed)[:, None]
        return placed

    def lengths(self, features: np.ndarray) -> np.ndarray:
        """What `place` divides each row by after scaling, float64 `(n,)`: 1 but for cosine.

        >>> [Space(metric, no_scaling(2)).lengths(np.array([[3, 4]])).tolist() for metric in ("euclidean", "cosine")]
        [[1.0], [5.0]]
        """
        return _lengths(self.scaling.apply(features)) if self.metric == "cosine" else np.ones(len(features))

    def distance(self, squared: np.ndarray) -> np.ndarray:
        """Turn squared Euclidean distances of placed features into the metric's distance.

        >>> [float(Space(metric, no_scaling(2)).distance(np.array(4.0))) for metric in ("euclidean", "cosine")]
        [2.0, 2.0]
        """
        return squared / 2 if self.metric == "cosine" else np.asarray(np.sqrt(squared))


class Neighbors:
    """Good pictures, ready to be searched.

    With `pca`, placed features are projected onto the principal components of the bank. Distances then are those in the
    subspace, never above the true ones but for rounding to float32. Leaving a picture out does not take it out of the
    projection, nor out of what an approximate index has learnt.

    Args:
        bank: float32 `(N, D)`, features of good pictures; may be memory-mapped.
        metric: "euclidean" (in feature units) or "cosine" (1 - cosine similarity, in [0, 2]).
        standardize: subtract the bank's mean and divide by its standard deviation, feature by feature.
        pca: 0 keeps all D features; else a share of the variance below 1, or a number of components.
        index: "exact", or a key of `iad.detectors.knn.approximate.INDEXES`.
        state: of the same bank and options, so that nothing is learned again.

    Raises:
        IadError: if there are not that many components, or the index cannot be built.
    """

    def __init__(
        self, bank: np.ndarray, *, metric: str, standardize: bool, pca: float = 0, index: str = "exact",
        state: State | None = None,
    ) -> None:  # fmt: skip
        self.bank, self.size = bank, len(bank)
        self.space = Space(metric, _scaling(bank, state) if standardize else no_scaling(bank.shape[1]))
        self.projection = self._projected(pca, state) if pca else None
        self._searched = self.placed(bank).astype(np.float32) if self.projection else bank
        self._index = None if index == "exact" else self._indexed(index, state)
        as_they_are = bool(pca) or (metric == "euclidean" and not standardize)  # distances are those of float32 values
        self._search: Search
        if self._index is not None:
            self._search = self._index.nearest_squared
        elif as_they_are and len(bank) >= LARGE:
            self._search = _filtered_search(self._searched)
        else:
            self._search = partial(nearest_rows, self._searched, place=double if pca else self.space.place)

    def state(self) -> State:
        """What was learned from the bank, beside the bank itself."""
        scaling = self.space.scaling
        arrays = {"scaling.mean": scaling.mean, "scaling.deviation": scaling.deviation}
        projection = State() if self.projection is None else self.projection.state()
        index = {} if self._index is None else {"index": self._index.bytes()}
        return State({**arrays, **projection.arrays, **index}, projection.values)

    def placed(self, features: np.ndarray) -> np.ndarray:
        """Float64 `(n, C)` of features `(n, D)`: where they lie in the space whose distances are taken.

        >>> bank = np.array([[0.0], [2.0]], dtype=np.float32)
        >>> Neighbors(bank, metric="euclidean", standardize=True).placed(np.array([[4.0]]))
        array([[3.]])
        """
        if self.projection is None:
            return self.space.place(features)
        return double(self.projection.project(features).astype(np.float32))  # as the bank, so that equals stay equal

    def reduced(self) -> dict[str, float]:
        """How many components were kept, and which share of the variance they explain; empty without `pca`.

        >>> line = np.outer(np.arange(3.0, dtype=np.float32), [3, 4])
        >>> Neighbors(line, metric="euclidean", standardize=False, pca=0.9).reduced()
        {'components': 1, 'explained': 1.0}
        """
        if self.projection is None:
            return {}
        return {"components": len(self.projection.axes), "explained": round(self.projection.explained, 6)}

    def nearest(self, queries: np.ndarray, *, k: int, leave_out: np.ndarray | None = None) -> Nearest:
        """Find the k nearest good pictures of queries `(M, D)`.

        Args:
            queries: float32; may be memory-mapped.
            k: number of neighbours.
            leave_out: int64 `(M,)`, the row of the bank that each query must not find, its own; None leaves out none.

        Raises:
            IadError: if fewer than k pictures can be neighbours.

        >>> bank = np.array([[0.0], [1.0], [3.0]], dtype=np.float32)
        >>> found = Neighbors(bank, metric="euclidean", standardize=False).nearest(bank, k=1, leave_out=np.arange(3))
        >>> found.distances.ravel().tolist(), found.rows.ravel().tolist()
        ([1.0, 1.0, 2.0], [1, 0, 1])
        """
        self._require(k, left_out=int(leave_out is not None))
        distances, found = np.empty((len(queries), k)), np.empty((len(queries), k), dtype=np.int64)
        with bar("nearest neighbours", len(queries)) as shown:
            for start in range(0, len(queries), QUERY_ROWS):
                rows = slice(start, min(start + QUERY_ROWS, len(queries)))
                own = None if leave_out is None else leave_out[rows]
                squared, found[rows] = self._search(self.placed(queries[rows]), k, own)  # (rows, k)
                distances[rows] = self.space.distance(squared)
                shown.update(rows.stop - rows.start)
        return Nearest(distances, found)

    def gradients(self, features: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Direction in which each distance grows, so that distance = <placed difference, direction>.

        Args:
            features: `(n, D)`, or `(1, D)`.
            others: `(n, D)`.

        Returns:
            float64 `(n, D)`, in units of the metric per unit of features, before `Space.lengths`: a distance is the
            product with `(features - mean) / length - (others - mean) / length`. 0 where the distance is 0.

        >>> neighbors = Neighbors(np.zeros((1, 2), dtype=np.float32), metric="euclidean", standardize=False)
        >>> neighbors.gradients(np.array([[3.0, 4.0]]), np.array([[0.0, 0.0]])).tolist()
        [[0.6, 0.8]]
        """
        towards: np.ndarray = self.placed(features) - self.placed(others)
        lengths = np.full(len(towards), 2.0) if self.space.metric == "cosine" else _lengths(towards)
        towards /= lengths[:, None]
        if self.projection is not None:
            towards = towards @ self.projection.axes
        return np.asarray(towards / self.space.scaling.deviation)

    def _projected(self, pca: float, state: State | None) -> Projection:
        if state is not None:
            return projection_of(state, place=self.space.place)
        return fit_projection(self.bank, pca, name="method.pca", place=self.space.place)

    def _indexed(self, index: str, state: State | None) -> ApproximateIndex:
        if state is not None:
            return load_index(index, state.arrays["index"], self.size)
        return build_index(index, self._searched if self.projection else self.space.place(self.bank))

    def _require(self, k: int, *, left_out: int) -> None:
        available = self.size - left_out
        if available < k:
            fewer = f"set method.k to {available} or less, or " if available else ""
            raise IadError(
                f"method.k = {k}: of {counted(self.size, 'good training picture')} only {available} can be neighbours "
                f"of each; {fewer}add good training pictures: it takes {max(k + left_out, FEWEST * left_out)} at least"
            )


def _scaling(bank: np.ndarray, state: State | None) -> Scaling:
    if state is None:
        return fit_scaling(bank)
    return Scaling(state.arrays["scaling.mean"], state.arrays["scaling.deviation"])


def _lengths(rows: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(np.linalg.norm(rows, axis=1), np.finfo(np.float64).tiny))


def _filtered_search(bank: np.ndarray) -> Search:
    """As `nearest_rows`, for a bank float32 `(N, D)` that is searched as it is."""
    from iad.neighbors.exact import ExactSearch

    search = ExactSearch(bank)

    def nearest_squared(queries: np.ndarray, k: int, own: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        distances, rows = search.search(queries.astype(np.float32), k + (own is not None))
        squared = np.square(distances)
        return (squared, rows) if own is None else without_own(squared, rows, own)

    return nearest_squared
