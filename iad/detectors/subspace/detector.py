"""The subspace of good patches: what of a patch lies outside it is anomalous.

The mean and the principal axes of all good patches span what good parts look like, whatever the place; the distance of
a patch to that subspace makes the map. Tipping and Bishop, "Probabilistic Principal Component Analysis" (1999), call
what lies outside noise; for patches of a frozen transformer the method is known as SubspaceAD (2026). That averages the
features of several layers, where here they are joined, and turns the training pictures, where here copies do not
count; it takes 99 % of the variance, as here.
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
from iad.detectors.places import Counting, kept_places, loaded, places_of, require_same, spread, state_of
from iad.detectors.subspace import Options
from iad.detectors.subspace.moments import Moments, Outside
from iad.errors import IadError
from iad.progress import track
from iad.words import counted

if TYPE_CHECKING:
    from iad.compute import Runtime
    from iad.neighbors.rows import Rows

EIGEN = 20  # multiplications that eigenvectors take, times D^3


class Detector(Extendable[Options]):
    """The score is the mean of the largest distances of a picture's patches to the subspace, in feature units.

    Attributes:
        moments: sums over the good patches.
        outside: what follows from them: the directions in which good patches hardly vary.
        pictures: how many good pictures it was fitted to.
        places: those that a region of interest keeps.
    """

    takes: ClassVar[Takes] = "patches"

    moments: Moments
    outside: Outside
    pictures: int
    places: Counting = None
    copies: bool = False  # whether there were any, which did not count

    def fit(self, good: Embeddings | np.ndarray, *, calibrated_apart: bool = False) -> Self:  # noqa: ARG002
        """Sum up patches of good pictures, float16 or float32 `(N, h, w, D)`, and return itself.

        Rotated and flipped copies are left aside.

        Raises:
            IadError: if there is no picture, its patches have one feature, are all the same or span fewer axes than are
                asked for, or a value is not finite.

        >>> good = np.random.default_rng(0).normal(size=(4, 3, 3, 6)).astype(np.float32)
        >>> Detector(Options(components=2)).fit(good).record()
        {'fitted_to': 4, 'components': 2}
        """
        given = Embeddings.of(good)
        self.places = places_of(given)
        given = kept_places(given, self.places, "subspace")
        patches = required(given.patches, "patch embeddings")
        if not len(patches):
            raise IadError("subspace: no good picture to fit to; add good pictures: it takes 1 at least")
        self.copies = given.augmented is not None
        return self._keep(self._moments(given, patches), len(patches))

    def outlook(self, good: Embeddings, pictures: int) -> Outlook:
        """What the sums take, scoring so many pictures, and the axes without each that calibrates."""
        patches = required(kept_places(good, places_of(good), "subspace").patches, "patch embeddings")
        n, height, width, features = patches.shape
        left_out = min(self.options.calibration or n, n)
        sums = (n + pictures + left_out) * height * width * features**2
        return Outlook(
            what=f"{counted(left_out, 'subspace')} of {features} features",
            decided="", gib=6 * 8 * features**2 / 2**30, products=sums + left_out * EIGEN * features**3,
            smaller="subspace.calibration", limit=0, advice="a smaller subspace.calibration",
        )  # fmt: skip

    def remarks(self) -> list[str]:
        """That copies do not count, where there are any."""
        return ["subspace: rotated and flipped copies do not count"] if self.copies else []

    def predict(self, pictures: Embeddings | np.ndarray, *, leave_out: np.ndarray | None = None) -> Prediction:
        """Score pictures, patches float16 or float32 `(M, h, w, D)`; of any grid.

        Raises:
            IadError: if their features are others than those of the good pictures, a value is not finite, or no
                picture is left.

        >>> good = np.float32([[[[0, 0], [3, 4]]], [[[6, 8], [-3, -4]]]])  # on a line
        >>> fitted = Detector(Options(components=1)).fit(good)
        >>> found = fitted.predict(np.float32([[[[-4, 3], [30, 40]]]]))
        >>> found.anomaly_map.round(5).tolist(), found.pred_score.round(5).tolist()
        ([[[5.0, 0.0]]], [5.0])
        """
        asked = kept_places(Embeddings.of(pictures), self.places, "subspace")
        patches = required(asked.patches, "patch embeddings")
        self._require_features(patches.shape[3])
        if leave_out is not None and self.pictures < 2:
            raise IadError("subspace: 1 good picture, which is left out; add good pictures: it takes 2 at least")
        maps = np.empty((len(patches), *patches.shape[1:3]), dtype=np.float32)
        for number, rows in self._watched(asked, patches, leave_out):
            outside = self.outside if leave_out is None else self._outside(self.moments - Moments.of(rows))
            maps[number] = outside.distances(rows).reshape(maps.shape[1:])
        scores = aggregate_maps(maps, aggregate=self.options.aggregate, top_share=self.options.top_share)
        return spread(Prediction(scores, maps), self.places)

    def state(self) -> State:
        """The sums."""
        arrays = self.moments.arrays() | state_of(self.places)
        return State(arrays, {"pictures": self.pictures, "rows": self.moments.rows})

    @classmethod
    def load(cls, options: Options, state: State, *, seed: int = 0, runtime: Runtime | None = None) -> Self:
        """Make the detector whose `state` this is.

        >>> good = np.random.default_rng(0).normal(size=(4, 3, 3, 6)).astype(np.float32)
        >>> fitted = Detector(Options()).fit(good)
        >>> again = Detector.load(Options(), fitted.state())
        >>> np.array_equal(again.predict(good).anomaly_map, fitted.predict(good).anomaly_map)
        True
        """
        made, values = cls(options, seed=seed, runtime=runtime), state.values
        made.places = loaded(state.arrays)
        return made._keep(Moments.of_arrays(int(values["rows"]), state.arrays), int(values["pictures"]))

    def record(self) -> dict[str, Any]:
        """How many pictures it was fitted to, and how many axes that gave."""
        return {"fitted_to": self.pictures, "components": self.outside.components}

    @property
    def leaves_one_out(self) -> bool:
        """It can, exactly: a picture's share of each sum is known once its patches are."""
        return True

    @property
    def most_calibrating(self) -> int:
        """Each picture left out needs the axes of the others, so that some hundreds have to do."""
        return self.options.calibration

    def add(self, good: Embeddings) -> Self:
        """The same with more good pictures: the sums of both, so that only the order of summation differs from a fit.

        Raises:
            IadError: if their patches are of another kind, or a value is not finite.

        >>> good = np.random.default_rng(0).normal(size=(9, 3, 3, 6)).astype(np.float32)
        >>> grown = Detector(Options()).fit(good[:4]).add(Embeddings(patches=good[4:]))
        >>> np.allclose(grown.predict(good).pred_score, Detector(Options()).fit(good).predict(good).pred_score)
        True
        """
        good = kept_places(good, self.places, "subspace")
        patches = required(good.patches, "patch embeddings")
        self._require_features(patches.shape[3])
        more = [self._moments(good, patches)] if len(patches) else []
        return self._like(more, len(patches))

    def merge(self, others: Sequence[Self]) -> Self:
        """The same with the good pictures of all.

        Raises:
            IadError: if their patches have other features.
        """
        for other in others:
            require_same(other.places, self.places, "subspace")
            self._require_features(len(other.moments.first))
        return self._like([other.moments for other in others], sum(other.pictures for other in others))

    def drop(self, keep: np.ndarray) -> Self:
        """Refused, unless all stay: sums do not say what each picture brought."""
        if keep.all():
            return self._like([], 0)
        raise IadError(
            "subspace: keeps sums, and no picture can be taken out of them again; fit it without that picture"
        )

    def recall(self, rows: np.ndarray) -> None:
        """Nothing: no picture can be told from the sums."""

    def _watched(
        self, asked: Embeddings, patches: Rows, leave_out: np.ndarray | None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """The patches of each picture, and its number; with a bar where each takes axes of its own."""
        found = enumerate(self._rows(asked, patches))
        return found if leave_out is None else track(found, "left out one by one", total=len(patches), unit=" pictures")

    def _rows(self, given: Embeddings, patches: Rows) -> Iterator[np.ndarray]:
        """The patches of each picture, float64 `(h * w, D)`."""
        for number in range(len(patches)):
            rows = np.asarray(patches[number], dtype=np.float64).reshape(-1, patches.shape[3])
            if not np.isfinite(rows).all():
                raise IadError(
                    f"subspace: patches of {given.name(number)} are not finite; run `dvc repro --force` for the stage "
                    "that extracts them, or leave this picture out"
                )
            yield rows

    def _moments(self, given: Embeddings, patches: Rows) -> Moments:
        return reduce(add, map(Moments.of, self._rows(given, patches)))

    def _require_features(self, features: int) -> None:
        if features != (own := len(self.moments.first)):
            raise IadError(
                f"subspace: patches of {features} features, but those of the good pictures have {own}; embed all by "
                "the same backbone and layers"
            )

    def _like(self, more: Sequence[Moments], pictures: int) -> Self:
        made = self.unfitted()
        made.places = self.places
        return made._keep(reduce(add, more, self.moments), self.pictures + pictures)

    def _keep(self, moments: Moments, pictures: int) -> Self:
        self.moments, self.pictures = moments, pictures
        self.outside = self._outside(moments)
        return self

    def _outside(self, moments: Moments) -> Outside:
        wanted = max(self.options.components, 1)
        if min(len(moments.first), moments.rows) <= wanted:
            raise self._too_many(moments, int(wanted))
        found = moments.outside(self.options.components)
        if not found.varies:
            raise IadError("subspace: all good patches are the same; add others: it takes 2 different ones at least")
        return found

    def _too_many(self, moments: Moments, wanted: int) -> IadError:
        features, per_picture = len(moments.first), self.moments.rows // self.pictures
        what = f"{counted(moments.rows, 'good patch', 'good patches')} of {counted(features, 'feature')}"
        said = f"subspace.components = {self.options.components:g}: {what} leave nothing outside; "
        if features <= wanted:
            return IadError(f"{said}set it to {features - 1} or less" if features > 1 else f"{said}choose other layers")
        ways = [f"set it to {moments.rows - 1} or less, or "] if moments.rows > 2 else [""]
        enough = -(-(wanted + 1) // per_picture) + (moments is not self.moments)
        return IadError(f"{said}{ways[0]}add good pictures: it takes {enough} at least")
