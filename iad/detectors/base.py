"""The protocol of every detector: fitted once on good pictures, saved as plain arrays, asked about any other picture.

Higher scores mean more anomalous, always. A picture's prediction does not depend on the pictures beside it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeAlias, TypeVar

import numpy as np

from iad.errors import IadError
from iad.neighbors.rows import Rows, take
from iad.options import DetectorOptions

if TYPE_CHECKING:
    from iad.compute import Runtime

Takes: TypeAlias = Literal["pixels", "pooled", "patches", "members"]
"""What a detector looks at: pictures as they are, one embedding per picture, one per patch, or what its members
take.
"""

PARTS = ("pixels", "pooled", "patches", "augmented", "contributions")
"""Parts of `Embeddings` that have a row per picture."""

OptionsT = TypeVar("OptionsT", bound=DetectorOptions)


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What detectors are given of N pictures; each part has a row per picture, and None where nobody asked for it.

    Attributes:
        pixels: uint8 `(N, S, S, 3)`, RGB.
        pooled: float32 `(N, D)`, one embedding per picture.
        patches: float16 or float32 `(N, h, w, D)`, one embedding per patch.
        augmented: float16 `(N, c, h, w, D)`, patches of c rotated or flipped copies of each picture.
        contributions: float16 `(N, h, w, D)`, what each patch adds to `pooled`; see `iad.features.contributions`.
        pooling: how `pooled` follows from `contributions`.
        members: by name, for a detector that is made of others.
        names: N names for refusals; None counts the pictures from 0.

    All parts may be memory-mapped or views, and are never written to.
    """

    pixels: Rows | None = None
    pooled: Rows | None = None
    patches: Rows | None = None
    augmented: Rows | None = None
    contributions: Rows | None = None
    pooling: str = ""
    members: Mapping[str, Embeddings] = field(default_factory=dict)
    names: Sequence[str] | np.ndarray | None = None

    @classmethod
    def of(cls, given: Embeddings | np.ndarray) -> Embeddings:
        """Take a bare array for what its shape and type say.

        Raises:
            IadError: if they say nothing.

        >>> Embeddings.of(np.zeros((2, 8), dtype=np.float32)).pooled.shape
        (2, 8)
        """
        if isinstance(given, Embeddings):
            return given
        if given.ndim == 2:
            return cls(pooled=given)
        if given.ndim == 4 and given.dtype == np.uint8 and given.shape[3] == 3:
            return cls(pixels=given)
        if given.ndim == 4 and given.dtype.kind == "f":
            return cls(patches=given)
        raise IadError(
            f"an array of {given.dtype} and the shape {given.shape}: give pictures, uint8 (N, S, S, 3), pooled "
            "embeddings (N, D), or patch embeddings (N, h, w, D)"
        )

    def __len__(self) -> int:
        parts = (self.pixels, self.pooled, self.patches, self.contributions)
        found = next((part for part in parts if part is not None), None)
        return len(found) if found is not None else len(next(iter(self.members.values()), ()))

    def take(self, rows: np.ndarray) -> Embeddings:
        """The pictures of these rows, int64 `(M,)` or bool `(N,)`; nothing is copied."""
        taken: dict[str, Any] = {name: take(part, rows) for name in PARTS if (part := getattr(self, name)) is not None}
        members = {name: member.take(rows) for name, member in self.members.items()}
        names = None if self.names is None else np.asarray(self.names)[rows]
        return replace(self, **taken, members=members, names=names)

    def name(self, picture: int) -> str:
        """What a refusal calls the picture of this number."""
        return f"picture {picture}" if self.names is None else str(self.names[picture])

    def listed(self, pictures: np.ndarray) -> str:
        """What a refusal calls the pictures of these numbers, int64 `(K,)`: the first three of them, and how many more.

        >>> Embeddings(names=["a.png", "b.png", "c.png", "d.png"]).listed(np.arange(4))
        'a.png, b.png, c.png and 1 more'
        """
        first, more = ", ".join(map(self.name, pictures[:3].tolist())), len(pictures) - 3
        return f"{first} and {more} more" if more > 0 else first


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a detector says of N pictures.

    Attributes:
        pred_score: float64 `(N,)`, higher = more anomalous; in the detector's own unit.
        anomaly_map: float32 `(N, h, w)`, higher = more anomalous; None of a detector that cannot say where. A map
            covers the whole picture evenly; it is not smoothed, and coarser than the picture.
    """

    pred_score: np.ndarray
    anomaly_map: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.pred_score)

    def take(self, rows: np.ndarray) -> Prediction:
        """The predictions of these rows, int64 `(M,)` or bool `(N,)`."""
        maps = None if self.anomaly_map is None else self.anomaly_map[rows]
        return Prediction(self.pred_score[rows], maps)


@dataclass(frozen=True, eq=False)
class State:
    """A fitted detector as named arrays and plain values (what JSON holds), of which a file can be made.

    Attributes:
        arrays: of any NumPy type but objects.
        values: numbers, texts, lists and mappings.
    """

    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


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
        """Of its folder in `iad/detectors`, as "knn"."""
        return type(self).__module__.removeprefix("iad.detectors.").removesuffix(".detector")

    def check(self, good: Embeddings) -> None:  # most have nothing to refuse
        """Refuse good pictures that cannot be good as this fitted detector sees them.

        Raises:
            IadError: naming them.
        """

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

    def _refuse_leave_out(self, leave_out: np.ndarray | None) -> None:
        """For `predict` of a detector that does not leave one out: silence would pass a picture's own score on."""
        if leave_out is not None:
            raise IadError(f"{self.name}: cannot leave a picture out once it is fitted; fit one without that picture")


def required(part: Rows | None, what: str) -> Rows:
    """The part of the embeddings that a detector takes.

    Raises:
        IadError: naming it, if it was not given.
    """
    if part is None:
        raise IadError(f"no {what} given, which this detector looks at; extract them, or choose another method")
    return part


def pooled_of(embeddings: Embeddings, section: str) -> np.ndarray:
    """The pooled embeddings `(N, D)`, all of them finite.

    Args:
        embeddings: of pictures.
        section: of the detector in `params.yaml`; a refusal begins with it.

    Raises:
        IadError: if there are none, or naming the pictures whose embeddings are not finite.
    """
    rows = np.asarray(required(embeddings.pooled, "pooled embeddings"))
    broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(broken):
        raise IadError(
            f"{section}: the embedding of {embeddings.listed(broken)} is not finite; run `dvc repro --force` for the "
            "stage that extracts it, or leave the picture out"
        )
    return rows
