"""PaDiM: a Gaussian of the good patches at each place of the picture, and the Mahalanobis distance to it.

Defard, Setkov, Loesch and Audigier, "PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and
Localization" (ICPR 2020 workshops, arXiv:2011.08785). As there, a random choice of a patch's features counts. Three
things differ. Covariances are shrunk as by Ledoit and Wolf, "A Well-Conditioned Estimator for Large-Dimensional
Covariance Matrices" (2004), since there are often fewer pictures than features. What is added to each variance is a
share of the mean variance and not 0.01, so that it follows the unit of the features. The score is the mean of the worst
places and not the largest value of a smoothed map. `shrinkage: none` and `aggregate: max` undo the first and, but for
the smoothing, the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from iad.detectors.aggregation import aggregate_maps
from iad.detectors.base import Extendable, Outlook, Prediction, State
from iad.detectors.embeddings import Embeddings, Takes, required
from iad.detectors.padim import Options
from iad.detectors.padim.gaussians import Gaussians
from iad.detectors.padim.moments import FEWEST, Moments
from iad.detectors.places import Counting, kept_places, loaded, places_of, require_same, spread, state_of
from iad.errors import IadError
from iad.words import counted

if TYPE_CHECKING:
    from iad.compute import Runtime
    from iad.neighbors.rows import Rows

BLOCK = 64  # pictures read at once
COPIES = 4  # of a covariance in memory while it becomes a Gaussian
EIGEN = 40  # multiplications that eigenvectors take, times d^3


class Detector(Extendable[Options]):
    """The score is the mean of the largest distances of a picture's patches, each to the Gaussian of its own place.

    Attributes:
        moments: sums over the good pictures.
        gaussians: what follows from them.
        chosen: int64 `(d,)`, ascending: the features that count.
        kind: h, w and D of a picture's patches.
        places: those that a region of interest keeps.
    """

    takes: ClassVar[Takes] = "patches"

    moments: Moments
    gaussians: Gaussians
    chosen: np.ndarray
    kind: tuple[int, int, int]
    places: Counting = None
    copies: bool = False  # whether there were any, which did not count

    def fit(self, good: Embeddings | np.ndarray, *, calibrated_apart: bool = False) -> Self:  # noqa: ARG002
        """Sum up patches of good pictures, float16 or float32 `(N, h, w, D)`, and return itself.

        Rotated and flipped copies are left aside: they show another part of the object at each place.

        Raises:
            IadError: if there are fewer than two pictures, all are the same, or a value is not finite.

        >>> good = np.random.default_rng(0).normal(size=(20, 3, 3, 4)).astype(np.float32)
        >>> Detector(Options(features=2)).fit(good).record()
        {'fitted_to': 20, 'features': 2}
        """
        given = Embeddings.of(good)
        self.places = places_of(given)
        given = kept_places(given, self.places, "padim")
        patches = required(given.patches, "patch embeddings")
        if len(patches) < FEWEST:
            raise IadError(
                f"padim: {counted(len(patches), 'good picture')} to fit to; add good pictures: it takes {FEWEST} at "
                "least, and one more where each is left out to set the threshold"
            )
        height, width, length = patches.shape[1:]
        self.copies = given.augmented is not None
        self.kind, most = (height, width, length), min(self.options.features, length)
        self.chosen = np.sort(np.random.default_rng(self.seed).choice(length, most, replace=False))
        return self._keep(self._moments(given, patches))

    def outlook(self, good: Embeddings, pictures: int) -> Outlook:
        """What the Gaussians take, and scoring so many pictures."""
        patches = required(kept_places(good, places_of(good), "padim").patches, "patch embeddings")
        n, height, width, length = patches.shape
        places, features = height * width, min(self.options.features, length)
        covariances = places * features**2
        return Outlook(
            what=f"{places:,} covariances of {features} x {features} features (padim.features)",
            decided="", gib=COPIES * 8 * covariances / 2**30, products=covariances * (n + pictures + EIGEN * features),
            smaller="padim.features", limit=0, advice="fewer padim.features",
        )  # fmt: skip

    def remarks(self) -> list[str]:
        """What too few pictures, or copies that do not count, mean for the fit."""
        n, features = self.moments.count, len(self.chosen)
        few = (
            f"padim: {counted(n, 'good picture')} for covariances of {features} features, and what pictures do not say "
            "shrinkage makes up; more pictures or fewer padim.features would say more"
        )
        copies = "padim: rotated and flipped copies do not count, since they show another part at each place"
        return [line for line, said in ((few, n <= features), (copies, self.copies)) if said]

    def predict(self, pictures: Embeddings | np.ndarray, *, leave_out: np.ndarray | None = None) -> Prediction:
        """Score pictures, patches float16 or float32 `(M, h, w, D)`; a distance has no unit.

        Raises:
            IadError: if their grid or features are others than those of the good pictures, a value is not finite, or
                too few pictures are left.

        >>> good = np.float32([[[[3, 0]]], [[[-3, 0]]], [[[0, 3]]], [[[0, -3]]]])  # variance 4.5 along either side
        >>> fitted = Detector(Options(shrinkage="none", epsilon=1e-9)).fit(good)
        >>> found = fitted.predict(np.float32([[[[0, 0]]], [[[6, 0]]]]))
        >>> (found.pred_score**2).round(4).tolist()  # of the unbiased variance 6: 36 / 6
        [0.0, 6.0]
        """
        asked = kept_places(Embeddings.of(pictures), self.places, "padim")
        patches = required(asked.patches, "patch embeddings")
        self._require_like(patches)
        if leave_out is not None and self.moments.count <= FEWEST:
            raise IadError(
                f"padim: {counted(self.moments.count, 'good picture')}, of which one is left out; add good pictures: "
                f"it takes {FEWEST + 1} at least"
            )
        maps = np.empty((len(patches), *self.kind[:2]), dtype=np.float32)
        measure = self.gaussians.distances if leave_out is None else self.gaussians.distances_without
        for start, vectors in self._vectors(asked, patches):
            for number, one in enumerate(vectors, start):
                maps[number] = measure(one).reshape(self.kind[:2])
        scores = aggregate_maps(maps, aggregate=self.options.aggregate, top_share=self.options.top_share)
        return spread(Prediction(scores, maps), self.places)

    def state(self) -> State:
        """The sums, and which features they are of."""
        arrays = {"chosen": self.chosen, **self.moments.arrays(), **state_of(self.places)}
        return State(arrays, {"pictures": self.moments.count, "kind": list(self.kind)})

    @classmethod
    def load(cls, options: Options, state: State, *, seed: int = 0, runtime: Runtime | None = None) -> Self:
        """Make the detector whose `state` this is.

        >>> good = np.random.default_rng(0).normal(size=(20, 3, 3, 4)).astype(np.float32)
        >>> fitted = Detector(Options()).fit(good)
        >>> again = Detector.load(Options(), fitted.state())
        >>> np.array_equal(again.predict(good).anomaly_map, fitted.predict(good).anomaly_map)
        True
        """
        made = cls(options, seed=seed, runtime=runtime)
        height, width, length = state.values["kind"]
        made.kind, made.chosen = (int(height), int(width), int(length)), state.arrays["chosen"]
        made.places = loaded(state.arrays)
        return made._keep(Moments.of_arrays(int(state.values["pictures"]), state.arrays))

    def record(self) -> dict[str, Any]:
        """How many pictures it was fitted to, and how many features count."""
        return {"fitted_to": self.moments.count, "features": len(self.chosen)}

    @property
    def leaves_one_out(self) -> bool:
        """It can, exactly: a picture's share of each sum is known once its patches are."""
        return True

    @property
    def most_calibrating(self) -> int:
        """As the options say."""
        return self.options.calibration

    def add(self, good: Embeddings) -> Self:
        """The same with more good pictures: the sums of both, so that only the order of summation differs from a fit.

        Raises:
            IadError: if their patches are of another kind, or a value is not finite.

        >>> good = np.random.default_rng(0).normal(size=(20, 3, 3, 4)).astype(np.float32)
        >>> grown = Detector(Options()).fit(good[:8]).add(Embeddings(patches=good[8:]))
        >>> whole = Detector(Options()).fit(good)
        >>> np.allclose(grown.predict(good).pred_score, whole.predict(good).pred_score, rtol=1e-9)
        True
        """
        good = kept_places(good, self.places, "padim")
        patches = required(good.patches, "patch embeddings")
        self._require_like(patches)
        return self._like(self._moments(good, patches)) if len(patches) else self._like()

    def merge(self, others: Sequence[Self]) -> Self:
        """The same with the good pictures of all.

        Raises:
            IadError: if their patches are of another kind, or other features of them count.
        """
        for other in others:
            require_same(other.places, self.places, "padim")
            if (other.kind, other.chosen.tolist()) != (self.kind, self.chosen.tolist()):
                raise IadError(
                    f"padim: patches of {_words(other.kind)} do not join those of {_words(self.kind)}, or other "
                    "features of them count; fit both with the same backbone, picture size, seed and padim.features"
                )
        return self._like(*(other.moments for other in others))

    def drop(self, keep: np.ndarray) -> Self:
        """Refused, unless all stay: sums do not say what each picture brought."""
        if keep.all():
            return self._like()
        raise IadError("padim: keeps sums, and no picture can be taken out of them again; fit it without that picture")

    def recall(self, rows: np.ndarray) -> None:
        """Nothing: no picture can be told from the sums."""

    def _vectors(self, given: Embeddings, patches: Rows) -> Iterator[tuple[int, np.ndarray]]:
        """The features that count, float64 `(n, P, d)`, of some pictures at a time, and the number of the first."""
        for start in range(0, len(patches), BLOCK):
            block = np.take(patches[start : start + BLOCK], self.chosen, axis=3).astype(np.float64)
            broken = np.flatnonzero(~np.isfinite(block.sum(axis=(1, 2, 3))))
            if len(broken):
                raise IadError(
                    f"padim: patches of {given.listed(broken + start)} are not finite; run `dvc repro --force` for "
                    "the stage that extracts them, or leave these pictures out"
                )
            yield start, block.reshape(len(block), -1, len(self.chosen))

    def _moments(self, given: Embeddings, patches: Rows) -> Moments:
        return reduce(add, (Moments.of(vectors) for _, vectors in self._vectors(given, patches)))

    def _require_like(self, patches: Rows) -> None:
        height, width, length = patches.shape[1:]
        if (kind := (height, width, length)) != self.kind:
            raise IadError(
                f"padim: patches of {_words(kind)}, but those of the good pictures are of {_words(self.kind)}, and "
                "each place has a Gaussian of its own; prepare all pictures alike and embed them by the same backbone"
            )

    def _like(self, *more: Moments) -> Self:
        made = self.unfitted()
        made.kind, made.chosen, made.places = self.kind, self.chosen, self.places
        return made._keep(reduce(add, more, self.moments))

    def _keep(self, moments: Moments) -> Self:
        self.moments, chosen = moments, self.options
        self.gaussians = Gaussians(moments, shrinks=chosen.shrinkage == "ledoit_wolf", epsilon=chosen.epsilon)
        if not self.gaussians.variance:
            raise IadError(
                "padim: all good pictures have the same patches; add others: it takes 2 different ones at least"
            )
        _ = self.gaussians.whitening  # now, while whoever fits waits
        return self


def _words(kind: tuple[int, int, int]) -> str:
    """A kind of patches for a person.

    >>> _words((14, 18, 152))
    '14 x 18 places and 152 features'
    """
    height, width, length = kind
    return f"{height} x {width} places and {length} features"
