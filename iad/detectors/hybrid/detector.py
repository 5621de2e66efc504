"""Several detectors fused into one: the detector. `evidence.py` says how, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from iad.detectors.base import Composite, Prediction, State
from iad.detectors.base import Detector as Base
from iad.detectors.calibrate import calibrate
from iad.detectors.embeddings import Embeddings
from iad.detectors.hybrid import Options
from iad.detectors.hybrid.evidence import MAP_TAIL_SHARE, TAIL_SHARE, GoodTail, enlarge, fit_tail, fuse
from iad.detectors.maps import enlargement
from iad.errors import IadError

if TYPE_CHECKING:
    from iad.compute import Runtime


class Detector(Composite[Options]):
    """The score is the mean or the largest of what its members say, each on the scale of good pictures.

    Args:
        options: which members, and how they are fused.
        members: fitted or unfitted detectors by name, in the order of `options.members`.

    Attributes:
        tails: scale of each member's scores.
        map_tails: scale of each member's maps; empty where one has none.
    """

    tails: Mapping[str, GoodTail] = MappingProxyType({})
    map_tails: Mapping[str, GoodTail] = MappingProxyType({})

    def __init__(
        self, options: Options, *, seed: int = 0, runtime: Runtime | None = None,
        members: Mapping[str, Base[Any]] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(options, seed=seed, runtime=runtime)
        self.members = dict(members or {})

    def unfitted(self) -> Self:
        """One of the same options whose members have learnt nothing."""
        members = {name: member.unfitted() for name, member in self.members.items()}
        return type(self)(self.options, seed=self.seed, runtime=self.runtime, members=members)

    def fit(self, good: Embeddings | np.ndarray, *, calibrated_apart: bool = False) -> Self:
        """Fit the members, set their scales by what each says of these pictures out of sample, and return itself.

        With `calibrated_apart` the scales are left to `align`, or to `iad.detectors.calibrate.calibrate`, which knows
        the pictures set apart.

        Raises:
            IadError: as the members or `align` do, or if too few pictures calibrate all members.
        """
        given, self.calibration = Embeddings.of(good), None
        for name, member in self.members.items():
            member.fit(_of_member(given, name), calibrated_apart=calibrated_apart)
        if not calibrated_apart:
            self.calibration = calibrate(self, given, seed=self.seed)
        return self

    def align(self, calibration: Mapping[str, Prediction]) -> Self:
        """Set the scale of each member, and return itself.

        Args:
            calibration: what each member says, out of sample, of the same good pictures or of others.

        Raises:
            IadError: if the highest scores or map values of a member are all the same.

        >>> good = {"lof": Prediction(np.arange(10.0)), "knn": Prediction(np.arange(0.0, 100.0, 10.0))}
        >>> Detector(Options(members=("lof", "knn"))).align(good).tails["knn"]
        GoodTail(start=70.0, excess=15.0, share=0.2)
        """
        self.tails = {name: fit_tail(found.pred_score, TAIL_SHARE, name) for name, found in calibration.items()}
        maps = {name: found.values for name, found in calibration.items()}
        self.map_tails = {
            name: fit_tail(values, MAP_TAIL_SHARE, f"{name}, anomaly maps")
            for name, values in maps.items()
            if values is not None and all(one is not None for one in maps.values())
        }
        return self

    def evidence(self, predictions: Mapping[str, Prediction]) -> tuple[np.ndarray, np.ndarray | None]:
        """Put what the members say of the same pictures on one scale.

        Returns:
            Scores, float64 `(members, N)`, and maps, float32 `(members, N, h, w)` on the finest of the members' grids,
            or None; higher = more anomalous.

        >>> good = {"lof": Prediction(np.arange(10.0)), "knn": Prediction(np.arange(0.0, 100.0, 10.0))}
        >>> hybrid = Detector(Options(members=("lof", "knn"))).align(good)
        >>> scores, _ = hybrid.evidence({"lof": Prediction(np.array([9.0])), "knn": Prediction(np.array([90.0]))})
        >>> scores.round(2).tolist()  # each the highest of ten good pictures, in either unit
        [[1.21], [1.21]]
        """
        scores = np.stack([tail.evidence(predictions[name].pred_score) for name, tail in self.tails.items()])
        if not self.map_tails:
            return scores, None
        grids = [_maps(predictions[name]).shape[1:] for name in self.map_tails]
        height, width = max(grid[0] for grid in grids), max(grid[1] for grid in grids)
        found = np.empty((len(self.map_tails), scores.shape[1], height, width), dtype=np.float32)
        for place, (name, tail) in enumerate(self.map_tails.items()):
            maps = _maps(predictions[name])
            sizes = zip(maps.shape[1:], (height, width), strict=True)
            found[place] = enlarge(tail.evidence(maps), *(enlargement(source, target, 0) for source, target in sizes))
        return scores, found

    def fuse(self, scores: np.ndarray, maps: np.ndarray | None) -> Prediction:
        """Fuse evidence, as `evidence` gives it.

        >>> for how in ("mean", "max"):
        ...     hybrid = Detector(Options(members=("lof", "knn"), how=how))
        ...     hybrid.fuse(np.array([[1.0], [3.0]]), None).pred_score.item()
        2.0
        3.0
        """
        how, weights = self.options.how, list(self.options.weights)
        fused = None if maps is None else fuse(maps, how=how, weights=weights).astype(np.float32)
        return Prediction(fuse(scores, how=how, weights=weights), fused)

    def combine(self, predictions: Mapping[str, Prediction]) -> Prediction:
        """Fuse what the members say of the same pictures."""
        return self.fuse(*self.evidence(predictions))

    def predict(self, pictures: Embeddings | np.ndarray, *, leave_out: np.ndarray | None = None) -> Prediction:
        """Ask every member, and fuse what they say.

        Raises:
            IadError: as the members do, or if it was loaded without them.

        >>> Detector(Options(members=("lof", "knn"))).predict(Embeddings())
        Traceback (most recent call last):
        iad.errors.IadError: hybrid: no scale is set; fit it, and calibrate it where pictures were set apart
        """
        self._refuse_leave_out(leave_out)
        if not self.tails:
            raise IadError("hybrid: no scale is set; fit it, and calibrate it where pictures were set apart")
        if absent := [name for name in self.tails if name not in self.members]:
            raise IadError(f"hybrid: its member {absent[0]} is not here; load it with its members")
        given = Embeddings.of(pictures)
        return self.combine({name: self.members[name].predict(_of_member(given, name)) for name in self.tails})

    def state(self) -> State:
        """The scales; the members have states of their own."""
        kinds = {"tails": self.tails, "map_tails": self.map_tails}
        return State({}, {kind: {name: asdict(tail) for name, tail in tails.items()} for kind, tails in kinds.items()})

    @classmethod
    def load(
        cls, options: Options, state: State, *, seed: int = 0, runtime: Runtime | None = None,
        members: Mapping[str, Base[Any]] | None = None,
    ) -> Self:  # fmt: skip
        """Make the detector whose `state` this is; without members it can only combine what members say.

        >>> good = {"lof": Prediction(np.arange(10.0)), "knn": Prediction(np.arange(10.0))}
        >>> fitted = Detector(Options(members=("lof", "knn"))).align(good)
        >>> Detector.load(fitted.options, fitted.state()).tails == fitted.tails
        True
        """
        made = cls(options, seed=seed, runtime=runtime, members=members)
        made.tails, made.map_tails = (
            {name: GoodTail(**tail) for name, tail in state.values[kind].items()} for kind in ("tails", "map_tails")
        )
        return made

    def record(self) -> dict[str, Any]:
        """Each member's scale."""
        maps = {name: asdict(tail) for name, tail in self.map_tails.items()}
        return {
            "members": {name: {"tail": asdict(tail), "map_tail": maps.get(name)} for name, tail in self.tails.items()}
        }


def _of_member(given: Embeddings, name: str) -> Embeddings:
    if name not in given.members:
        raise IadError(f"hybrid: nothing given for its member {name}; give what each member looks at, by its name")
    return given.members[name]


def _maps(prediction: Prediction) -> np.ndarray:
    if prediction.anomaly_map is None:
        raise IadError("a member of the hybrid gives no maps, although it did when the hybrid was fitted; fit it again")
    return prediction.anomaly_map
