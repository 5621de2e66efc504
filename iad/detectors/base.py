"""The protocol of every detector: fitted once on good pictures, saved as plain arrays, asked about any other picture.

Higher scores mean more anomalous, always. A picture's prediction does not depend on the pictures beside it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from iad.detectors.embeddings import Embeddings, Takes
from iad.errors import IadError
from iad.options import DetectorOptions

if TYPE_CHECKING:
    from iad.compute import Runtime

OptionsT = TypeVar("OptionsT", bound=DetectorOptions)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a detector says of N pictures.

    Attributes:
        pred_score: float64 `(N,)`, higher = more anomalous; in the detector's own unit.
        anomaly_map: float32 `(N, h, w)`, higher = more anomalous; None of a detector that cannot say where. A map
            covers the whole picture evenly; it is not smoothed, and coarser than the picture.
        counting: bool `(h, w)`, the places of the maps that count; None: all. The others hold the value of the nearest
            that does, so that maps can be enlarged and smoothed as at the border of a picture.
    """

    pred_score: np.ndarray
    anomaly_map: np.ndarray | None = None
    counting: np.ndarray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.pred_score)

    def take(self, rows: np.ndarray) -> Prediction:
        """The predictions of these rows, int64 `(M,)` or bool `(N,)`.

        >>> Prediction(np.array([0.1, 0.9, 0.5])).take(np.array([2, 1])).pred_score.tolist()
        [0.5, 0.9]
        """
        maps = None if self.anomaly_map is None else self.anomaly_map[rows]
        return Prediction(self.pred_score[rows], maps, self.counting)

    @property
    def values(self) -> np.ndarray | None:
        """All values of the maps that count, of any shape; None without maps.

        >>> Prediction(np.zeros(1), np.float32([[[1, 2]]]), np.array([[False, True]])).values.tolist()
        [[2.0]]
        """
        if self.anomaly_map is None or self.counting is None:
            return self.anomaly_map
        return np.asarray(self.anomaly_map[:, self.counting])


@dataclass(frozen=True, eq=False)
class State:
    """A fitted detector as named arrays and plain values (what JSON holds), of which a file can be made.

    Attributes:
        arrays: of any NumPy type but objects.
        values: numbers, texts, lists and mappings.
    """

    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outlook:
    """What fitting and scoring will take, from counts alone.

    Attributes:
        what: is compared with what, for a person to read.
        decided: what the detector decides itself, and why; empty where it decides nothing.
        gib: of memory, at most, beside what a stage takes anyway.
        products: multiplications, at most.
        smaller: option that limits the memory, in GiB.
        limit: how many GiB it allows for each that are taken.
        advice: what to change for less time.
    """

    what: str
    decided: str
    gib: float
    products: float
    smaller: str
    limit: float
    advice: str


class Detector(ABC, Generic[OptionsT]):
    """A method: `fit` it to good pictures, ask it to `predict`, keep its `state`, `load` it elsewhere.

    Args:
        options: of its section in `params.yaml`.
        seed: of whatever it draws.
        runtime: where to compute; None: on the CPU, in float32. Detectors that do not use PyTorch ignore it.
    """

    takes: ClassVar[Takes]
    uses_torch: ClassVar[bool] = False  # so that others need not wait for its import

    def __init__(self, options: OptionsT, *, seed: int = 0, runtime: Runtime | None = None) -> None:
        self.options, self.seed, self.runtime = options, seed, runtime

    @abstractmethod
    def fit(self, good: Embeddings | np.ndarray, *, calibrated_apart: bool = False) -> Self:
        """Learn from good pictures, and return itself.

        Args:
            good: of the kind that `takes` names.
            calibrated_apart: other good pictures will set the threshold, so that none of these need be held out.

        Raises:
            IadError: if they are too few, or not what `takes` says.
        """

    @abstractmethod
    def predict(self, pictures: Embeddings | np.ndarray, *, leave_out: np.ndarray | None = None) -> Prediction:
        """Score pictures.

        Args:
            pictures: of the kind that `takes` names.
            leave_out: int64 `(N,)`: the number of each picture among those that were fitted to, so that it is judged as
                if it were not there. Only where `leaves_one_out`.

        Raises:
            IadError: if they are not what `takes` says, hold a value that is not finite, or cannot be left out.
        """

    @abstractmethod
    def state(self) -> State:
        """What `load` needs to make the same detector again."""

    @classmethod
    @abstractmethod
    def load(cls, options: OptionsT, state: State, *, seed: int = 0, runtime: Runtime | None = None) -> Self:
        """Make the detector whose `state` this is; its predictions are the same to the bit on the same machine."""

    def unfitted(self) -> Self:
        """One of the same options that has learnt nothing."""
        return type(self)(self.options, seed=self.seed, runtime=self.runtime)

    def resume(self, trained: State) -> Self:  # noqa: ARG002  # for those that can
        """Take what a stage of its own has trained, so that `fit` need not; returns itself.

        Raises:
            IadError: from a detector that trains nothing apart.
        """
        raise IadError(f"{self.name}: takes nothing that was trained before; correct `reads` of the method")

    @property
    def name(self) -> str:
        """Of its folder in `iad/detectors`, as "knn".

        >>> from iad.detectors.knn.detector import Detector, Options
        >>> Detector(Options()).name
        'knn'
        """
        return type(self).__module__.removeprefix("iad.detectors.").removesuffix(".detector")

    def check(self, good: Embeddings) -> None:  # most have nothing to refuse
        """Refuse good pictures that cannot be good as this fitted detector sees them.

        Raises:
            IadError: naming them.
        """

    def outlook(self, good: Embeddings, pictures: int) -> Outlook | None:  # noqa: ARG002  # most are soon done
        """What it will take to fit to these pictures and to score so many; None where that is soon done anyway."""
        return None

    def remarks(self) -> list[str]:
        """Lines for the person who waits, about what was learned."""
        return []

    def record(self) -> dict[str, Any]:
        """What was fitted, as plain values for people to read."""
        return {}

    # What the detector says of itself, from which `iad.detectors.calibrate` chooses how good pictures are scored.

    @property
    def held_out(self) -> np.ndarray | None:
        """Numbers, int64, of the pictures given to `fit` that it did not learn from; None if it learnt from all."""
        return None

    @property
    def leaves_one_out(self) -> bool:
        """Whether it can judge a picture that it was fitted to as if it were not there."""
        return False

    @property
    def only_falls(self) -> bool:
        """Whether no score can rise when a picture joins those fitted to, so that leaving one out proves something."""
        return False

    @property
    def map_only_falls(self) -> bool:
        """The same of every value of the anomaly maps."""
        return False

    @property
    def most_calibrating(self) -> int:
        """How many of the pictures fitted to are worth leaving out, at most; 0: all."""
        return 0

    @property
    def folds(self) -> int:
        """In how many parts good pictures are divided where it has to be fitted again."""
        return 5

    @property
    def fewest(self) -> int:
        """How many good pictures it has to be fitted to, at least, with these options."""
        return 1

    def _refuse_leave_out(self, leave_out: np.ndarray | None) -> None:
        """For `predict` of a detector that does not leave one out: silence would pass a picture's own score on."""
        if leave_out is not None:
            raise IadError(f"{self.name}: cannot leave a picture out once it is fitted; fit one without that picture")


class Extendable(Detector[OptionsT]):
    """A detector that takes in more good pictures without being fitted again to those it knows."""

    @abstractmethod
    def add(self, good: Embeddings) -> Self:
        """A new detector, fitted to these pictures too; they count after those that were there."""

    @abstractmethod
    def drop(self, keep: np.ndarray) -> Self:
        """A new detector without the pictures whose place in `keep`, bool `(N,)`, is False.

        Raises:
            IadError: if none is left.
        """

    @abstractmethod
    def merge(self, others: Sequence[Self]) -> Self:
        """A new detector, fitted to the pictures of all; they count in the order given."""

    @abstractmethod
    def recall(self, rows: np.ndarray) -> Embeddings | None:
        """What it holds of these pictures, int64 `(M,)`, as `predict` wants it; None if it keeps too little of them."""


class Composite(Detector[OptionsT]):
    """A detector that is made of others, and says what they say together, on scales that calibrating pictures set.

    Attributes:
        members: by name.
        calibration: what `iad.detectors.calibrate.calibrate` found when it was fitted; None once loaded, or where
            pictures set apart are to calibrate it.
    """

    takes: ClassVar[Takes] = "members"

    members: Mapping[str, Detector[Any]]
    calibration: Any = None

    @abstractmethod
    def align(self, calibration: Mapping[str, Prediction]) -> Self:
        """Set the scale of each member by what it says, out of sample, of good pictures; returns itself."""

    @abstractmethod
    def combine(self, predictions: Mapping[str, Prediction]) -> Prediction:
        """One prediction from what each member says of the same pictures."""
