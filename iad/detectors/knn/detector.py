"""Nearest neighbours of pooled embeddings: the detector.

The original study's second and third method. Each good picture is scored without itself; a search that finds the
picture itself gives distance 0, and a threshold of 0.0000 that rejects every part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from iad.detectors.base import Extendable, Prediction, State
from iad.detectors.embeddings import Embeddings, Takes, pooled_of, required
from iad.detectors.knn import Options
from iad.detectors.knn.search import Neighbors
from iad.errors import IadError

if TYPE_CHECKING:
    from iad.compute import Runtime

SPACE = ("metric", "standardize", "pca", "index")


class Detector(Extendable[Options]):
    """The score is the mean distance to the k nearest good pictures, or the distance to the k-th.

    Where `contributions` were given to `fit`, there are maps: what each place adds to the distance.

    >>> good = np.array([[0.0, 0.0], [3.0, 4.0]], dtype=np.float32)
    >>> Detector(Options(k=2)).fit(good).predict(good).pred_score
    array([2.5, 2.5])
    """

    takes: ClassVar[Takes] = "pooled"

    neighbors: Neighbors
    good: Embeddings

    def fit(self, good: Embeddings | np.ndarray, *, calibrated_apart: bool = False) -> Self:  # noqa: ARG002
        """Keep the pooled embeddings of good pictures, float32 `(N, D)`, and return itself.

        Raises:
            IadError: if there are none, a value is not finite, there are fewer principal components than asked for, or
                the index cannot be built.

        >>> Detector(Options()).fit(np.empty((0, 8), dtype=np.float32))
        Traceback (most recent call last):
        iad.errors.IadError: method: no good picture to compare with; add good pictures
        """
        given = Embeddings.of(good)
        if not len(pooled_of(given, self.options.section)):
            raise IadError(f"{self.options.section}: no good picture to compare with; add good pictures")
        return self._start(given, None)

    def predict(self, pictures: Embeddings | np.ndarray, *, leave_out: np.ndarray | None = None) -> Prediction:
        """Score pictures by their distance to good ones.

        Raises:
            IadError: if fewer than k pictures can be neighbours, or a value is not finite.

        >>> good = np.array([[0.0], [1.0], [3.0]], dtype=np.float32)
        >>> fitted = Detector(Options(k=1)).fit(good)
        >>> fitted.predict(good).pred_score, fitted.predict(good, leave_out=np.arange(3)).pred_score
        (array([0., 0., 0.]), array([1., 1., 2.]))
        """
        asked = Embeddings.of(pictures)
        pooled = pooled_of(asked, self.options.section)
        self._require_width(pooled)
        nearest = self.neighbors.nearest(pooled, k=self.options.k, leave_out=leave_out)
        aggregate, maps = self.options.aggregate, None
        if asked.contributions is not None and self.good.contributions is not None:
            from iad.detectors.knn.attribution import Parts, attribution_maps

            own, good = (
                Parts(pooled, asked.contributions, self.good.pooling),
                Parts(self.neighbors.bank, self.good.contributions, self.good.pooling),
            )
            maps = attribution_maps(self.neighbors, nearest, own, good, aggregate=aggregate)
        return Prediction(nearest.scores(aggregate), maps)

    def state(self) -> State:
        """The good pictures, and what was learned from them."""
        learned = self.neighbors.state()
        bank = {"pooled": self.neighbors.bank}
        if self.good.contributions is not None:
            bank["contributions"] = np.asarray(self.good.contributions)
        return State({**bank, **learned.arrays}, {"pooling": self.good.pooling, **learned.values})

    @classmethod
    def load(cls, options: Options, state: State, *, seed: int = 0, runtime: Runtime | None = None) -> Self:
        """Make the detector whose `state` this is.

        >>> good = np.array([[0.0], [1.0]], dtype=np.float32)
        >>> state = Detector(Options(k=1)).fit(good).state()
        >>> Detector.load(Options(k=2), state).predict(np.array([[4.0]])).pred_score  # 4 and 3 away
        array([3.5])
        """
        good = Embeddings(
            pooled=state.arrays["pooled"],
            contributions=state.arrays.get("contributions"),
            pooling=state.values["pooling"],
        )
        return cls(options, seed=seed, runtime=runtime)._start(good, state)

    def record(self) -> dict[str, Any]:
        """How many good pictures there are, and what the principal components explain.

        >>> Detector(Options(pca=1)).fit(np.array([[0.0, 0.0], [2.0, 2.0]])).record()
        {'components': 1, 'explained': 1.0, 'bank': 2}
        """
        return {**self.neighbors.reduced(), "bank": self.neighbors.size}

    @property
    def leaves_one_out(self) -> bool:
        """It can: a picture is not its own neighbour."""
        return True

    @property
    def only_falls(self) -> bool:
        """Unless the space or the index depends on all pictures, those left out among them.

        >>> Detector(Options()).only_falls, Detector(Options(pca=0.9)).only_falls
        (True, False)
        """
        return not self.options.standardize and not self.options.pca and self.options.index == "exact"

    def add(self, good: Embeddings) -> Self:
        """The same with more good pictures.

        Raises:
            IadError: if their embeddings are of another kind.

        >>> fitted = Detector(Options(k=1)).fit(np.array([[0.0]]))
        >>> more = fitted.add(Embeddings(pooled=np.array([[3.0]])))
        >>> [one.predict(np.array([[4.0]])).pred_score.item() for one in (fitted, more)]
        [4.0, 1.0]
        """
        return self._again(self._joined([good]))

    def drop(self, keep: np.ndarray) -> Self:
        """The same with fewer good pictures.

        >>> fitted = Detector(Options(k=1)).fit(np.array([[0.0], [3.0]]))
        >>> fitted.drop(np.array([True, False])).predict(np.array([[4.0]])).pred_score.item()
        4.0
        """
        return self._again(self.good.take(keep))

    def merge(self, others: Sequence[Self]) -> Self:
        """The same with the good pictures of all.

        Raises:
            IadError: if their embeddings are of another kind.

        >>> one, other = (Detector(Options(k=1)).fit(np.array([[place]])) for place in (0.0, 3.0))
        >>> one.merge([other]).predict(np.array([[1.0], [4.0]])).pred_score
        array([1., 1.])
        """
        return self._again(self._joined([other.good for other in others]))

    def recall(self, rows: np.ndarray) -> Embeddings:
        """Everything is kept of every good picture.

        >>> held = Detector(Options()).fit(np.array([[0.0], [3.0]])).recall(np.array([1]))
        >>> np.asarray(held.pooled).tolist()
        [[3.0]]
        """
        return self.good.take(rows)

    def _again(self, good: Embeddings) -> Self:
        return self.unfitted().fit(good)

    def _start(self, good: Embeddings, state: State | None) -> Self:
        bank = np.asarray(required(good.pooled, "pooled embeddings"))
        space = {name: getattr(self.options, name) for name in SPACE}
        self.neighbors, self.good = Neighbors(bank, **space, state=state), replace(good, pooled=bank)
        return self

    def _joined(self, others: Sequence[Embeddings]) -> Embeddings:
        parts = [self.good, *others]
        for other in others:
            self._require_width(pooled_of(other, self.options.section))
        located = [part.contributions for part in parts if part.contributions is not None]
        if len(located) not in (0, len(parts)):
            raise IadError(
                f"{self.options.section}: only some of the good pictures have what each patch adds to the embedding; "
                "extract all of them with `attribution`, or none"
            )
        pooled = np.concatenate([np.asarray(required(part.pooled, "pooled embeddings")) for part in parts])
        contributions = np.concatenate([np.asarray(part) for part in located]) if located else None
        return Embeddings(pooled=pooled, contributions=contributions, pooling=self.good.pooling)

    def _require_width(self, pooled: np.ndarray) -> None:
        width = self.neighbors.bank.shape[1]
        if pooled.shape[1] != width:
            raise IadError(
                f"{self.options.section}: embeddings of {pooled.shape[1]} features, but the good pictures have "
                f"{width}; embed all by the same backbone"
            )
