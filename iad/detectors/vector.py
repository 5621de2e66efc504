"""What detectors of pooled embeddings share: optional scaling, one thread, and a state of plain arrays.

They keep scikit-learn's manners: `fit` takes rows and returns the detector, `score_samples` takes rows and returns a
score each. But here a higher score is more anomalous, where scikit-learn's own mean the opposite.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np

from iad.detectors.base import Detector, Prediction, State
from iad.detectors.embeddings import Embeddings, Takes, pooled_of
from iad.detectors.options import Refitted, Scaled
from iad.detectors.transforms import Scaling, fit_scaling, no_scaling
from iad.errors import IadError
from iad.words import counted

if TYPE_CHECKING:
    from iad.compute import Runtime

FEWEST = 2
RefittedT = TypeVar("RefittedT", bound=Refitted)


class VectorDetector(Detector[RefittedT]):
    """A detector of pooled embeddings that is fitted again for each fold of good pictures.

    A subclass says what it learns, `learn(rows) -> State`, and how that scores, `score(rows)`, both for rows float64
    `(n, D)` after the scaling. The scale of its scores must not grow with the number of pictures, since calibration
    scores come from fits to fewer of them than those of new parts.
    """

    takes: ClassVar[Takes] = "pooled"

    scaling: Scaling
    learned: State
    pictures: int

    @abstractmethod
    def learn(self, rows: np.ndarray) -> State:
        """What it learns from good pictures, float64 `(N, D)`."""

    @abstractmethod
    def score(self, rows: np.ndarray) -> np.ndarray:
        """Scores float64 `(M,)`, higher = more anomalous, of rows float64 `(M, D)`, M >= 1.

        A row's score must be the same to the bit whatever rows stand beside it; `iad.detectors.transforms.products`
        is, where a product of BLAS is not.
        """

    def fit(self, good: Embeddings | np.ndarray, *, calibrated_apart: bool = False) -> Self:  # noqa: ARG002
        """Learn from good pictures, pooled embeddings `(N, D)`, and return itself.

        Raises:
            IadError: if there are fewer than two, a value is not finite, or as the detector says.

        >>> from iad.detectors.zscore.detector import Detector, Options
        >>> Detector(Options()).fit(np.array([[0.0], [2.0]])).learned.arrays["mean"].tolist()
        [1.0]
        """
        rows = pooled_of(Embeddings.of(good), self.options.section)
        if len(rows) < FEWEST:
            raise IadError(
                f"{self.options.section}: {counted(len(rows), 'good picture')} to fit to; add good pictures: it takes "
                f"{FEWEST} at least, and more where some are left out to set the threshold"
            )
        scales = isinstance(self.options, Scaled) and self.options.standardize
        self.scaling = fit_scaling(rows) if scales else no_scaling(rows.shape[1])
        self.pictures = len(rows)
        with one_thread():
            self.learned = self.learn(self.scaling.apply(rows))
        return self

    def predict(self, pictures: Embeddings | np.ndarray, *, leave_out: np.ndarray | None = None) -> Prediction:
        """Score pictures, pooled embeddings `(M, D)`; there are no maps.

        >>> from iad.detectors.zscore.detector import Detector, Options
        >>> Detector(Options()).fit(np.array([[0.0], [2.0]])).predict(np.array([[1.0], [4.0]]))
        Prediction(pred_score=array([0., 3.]), anomaly_map=None)
        """
        self._refuse_leave_out(leave_out)
        return Prediction(self._scores(Embeddings.of(pictures)))

    def score_samples(self, rows: np.ndarray) -> np.ndarray:
        """Scores float64 `(M,)`, higher = more anomalous, of pooled embeddings `(M, D)` of any float type.

        >>> from iad.detectors.zscore.detector import Detector, Options
        >>> Detector(Options()).fit(np.array([[0.0], [2.0]])).score_samples(np.array([[1.0], [4.0]])).tolist()
        [0.0, 3.0]
        """
        return self._scores(Embeddings(pooled=rows))

    def state(self) -> State:
        """The scaling and what was learned.

        >>> from iad.detectors.zscore.detector import Detector, Options
        >>> state = Detector(Options()).fit(np.array([[0.0], [2.0]])).state()
        >>> sorted(state.arrays), dict(state.values)
        (['deviation', 'mean', 'scaling.deviation', 'scaling.mean'], {'pictures': 2})
        """
        scaling = {"scaling.mean": self.scaling.mean, "scaling.deviation": self.scaling.deviation}
        return State(scaling | dict(self.learned.arrays), {"pictures": self.pictures, **self.learned.values})

    @classmethod
    def load(cls, options: RefittedT, state: State, *, seed: int = 0, runtime: Runtime | None = None) -> Self:
        """Make the detector whose `state` this is.

        >>> from iad.detectors.zscore.detector import Detector, Options
        >>> fitted = Detector(Options()).fit(np.array([[0.0], [2.0]]))
        >>> Detector.load(Options(), fitted.state()).score_samples(np.array([[4.0]])).tolist()
        [3.0]
        """
        made = cls(options, seed=seed, runtime=runtime)
        made.scaling = Scaling(state.arrays["scaling.mean"], state.arrays["scaling.deviation"])
        made.learned, made.pictures = state, int(state.values["pictures"])
        return made

    def record(self) -> dict[str, Any]:
        """How many pictures it was fitted to."""
        return {"fitted_to": self.pictures}

    @property
    def folds(self) -> int:
        """In how many parts good pictures are divided for calibration."""
        return self.options.folds

    @property
    def fewest(self) -> int:
        """How many good pictures it has to be fitted to, at least, with these options."""
        return FEWEST

    def _scores(self, pictures: Embeddings) -> np.ndarray:
        rows = pooled_of(pictures, self.options.section)
        if len(rows) and rows.shape[1] != len(self.scaling.mean):
            raise IadError(
                f"{self.options.section}: embeddings of {rows.shape[1]} features, but the good pictures had "
                f"{len(self.scaling.mean)}; embed all by the same backbone"
            )
        return np.asarray(self.score(self.scaling.apply(rows)), dtype=np.float64) if len(rows) else np.empty(0)


def one_thread() -> AbstractContextManager[Any]:
    """Run OpenMP loops of the block on one thread, of the calling thread alone.

    scikit-learn's loops add up in the order in which threads finish, which changes the last digits.
    """
    import sklearn.utils  # noqa: F401  # loads the OpenMP library: one that comes later would not be limited
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="openmp")
    return limits
