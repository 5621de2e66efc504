"""Good pictures scored out of sample: the only place that names a scheme of calibration.

How a detector can be asked about good pictures that it has not learnt from follows from what it says of itself:

- `split`: other pictures were set apart for it.
- `held_out`: it kept some of its own apart.
- `leave_one_out`, `jackknife`: it can judge a picture as if that were not there. The first name is for scores that can
  only fall when a picture joins, such as a distance to the nearest pictures, which proves something; the second for all
  others, and for detectors made of several, whose balance the calibrating pictures set.
- `k_fold`: it has to be fitted again without some of them (Stone 1974, "Cross-Validatory Choice and Assessment of
  Statistical Predictions"). A fold's detector is fitted to fewer pictures than the one that scores new parts and knows
  good pictures less well, so its scores tend to lie a little high, and a threshold from them too.

What each may promise is said in `iad.decision.promises`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from iad.detectors.base import Composite, Detector, Prediction
from iad.detectors.embeddings import Embeddings
from iad.errors import IadError
from iad.progress import track
from iad.words import counted

Scheme: TypeAlias = Literal["split", "held_out", "leave_one_out", "jackknife", "k_fold"]


class Ask(Protocol):
    """What `iad.detectors.base.Detector.predict` is of a fitted detector."""

    def __call__(self, pictures: Embeddings, *, leave_out: np.ndarray | None = None) -> Prediction:
        """Score pictures."""
        ...


FEWEST = 10  # good pictures that must calibrate all members of a detector made of several


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a detector says, out of sample, of good pictures.

    Attributes:
        rows: int64 `(K,)`, which of the pictures that were fitted to, or, if `set_apart`, of those set apart.
        prediction: of these.
        scheme: how the scores came to be out of sample.
        map_scheme: the same of the maps, which may prove less.
        record: further plain values for people to read.
        set_apart: whether the detector was fitted to other pictures.
    """

    rows: np.ndarray
    prediction: Prediction
    scheme: Scheme
    map_scheme: Scheme
    record: Mapping[str, Any] = field(default_factory=dict)
    set_apart: bool = False


def calibrate(
    detector: Detector[Any], good: Embeddings, apart: Embeddings | None = None, *, seed: int, ask: Ask | None = None
) -> Calibration:
    """Score good pictures out of sample. The scales of a detector made of others are set by these pictures.

    Args:
        detector: fitted to `good`.
        good: N good pictures.
        apart: good pictures that were set apart to set the threshold; None or none at all: there are no such.
        seed: of what is drawn.
        ask: what asks the detector in place of its own `predict`, as on other machines.

    Raises:
        IadError: if there are fewer pictures than folds, or as the detector says.

    >>> from iad.detectors.knn.detector import Detector, Options
    >>> good = Embeddings(pooled=np.array([[0.0], [1.0], [3.0]]))
    >>> found = calibrate(Detector(Options(k=1)).fit(good), good, seed=0)
    >>> found.scheme, found.prediction.pred_score.tolist()  # each without itself
    ('leave_one_out', [1.0, 1.0, 2.0])
    """
    if isinstance(detector, Composite):
        known = None if apart or seed != detector.seed else detector.calibration
        return known or _combined(detector, good, apart, seed)
    ask = ask or detector.predict
    if apart is not None and len(apart):
        detector.check(apart)
        return Calibration(np.arange(len(apart)), ask(apart), "split", "split", set_apart=True)
    if detector.held_out is not None:
        said = ask(good.take(detector.held_out))
        return Calibration(detector.held_out, said, "held_out", "held_out")
    if detector.leaves_one_out:
        rows = draw_pictures(len(good), detector.most_calibrating, seed)
        said = ask(good.take(rows), leave_out=rows)
        return Calibration(rows, said, left_out_scheme(detector.only_falls), left_out_scheme(detector.map_only_falls))
    said = by_folds(detector, good, seed=seed)
    fewest = left_by(len(good), detector.folds)
    record = {"folds": detector.folds, "calibration_fitted_to_at_least": fewest}
    return Calibration(np.arange(len(good)), said, "k_fold", "k_fold", record)


def of_members(rows: np.ndarray, fused: Prediction, *, set_apart: bool = False) -> Calibration:
    """Fused scores of good pictures that calibrate every member of a hybrid, out of sample for each of them.

    The scales on which they are fused come from the same pictures, and a new one had no say in them, so nothing is
    proven.

    Args:
        rows: int64 `(K,)`, which of the pictures.
        fused: of these.
        set_apart: whether the members were fitted to other pictures.

    >>> found = of_members(np.array([4, 7]), Prediction(np.array([0.5, 2.0])))
    >>> found.scheme, found.rows.tolist()
    ('jackknife', [4, 7])
    """
    return Calibration(rows, fused, "jackknife", "jackknife", set_apart=set_apart)


def left_out_scheme(only_falls: bool) -> Scheme:
    """What leaving a picture out can prove, by whether a value can only fall when one joins.

    >>> left_out_scheme(True), left_out_scheme(False)
    ('leave_one_out', 'jackknife')
    """
    return "leave_one_out" if only_falls else "jackknife"


def by_folds(detector: Detector[Any], good: Embeddings, *, seed: int) -> Prediction:
    """Predict each picture by a detector of the same options that was fitted to the other folds.

    Raises:
        IadError: if there are more folds than pictures, or as the detector says of the pictures of a fold.

    >>> from iad.detectors.kmeans.detector import Detector, Options
    >>> good = Embeddings(pooled=np.array([[0.0], [2.0], [10.0]]))
    >>> by_folds(Detector(Options(clusters=1, folds=3)), good, seed=0).pred_score  # from the mean of the other two
    array([6., 3., 9.])
    """
    folds, pictures = detector.folds, len(good)
    if pictures < folds:
        raise IadError(
            f"{detector.options.section}.folds = {folds}: only {counted(pictures, 'good picture')} to divide; "
            f"{_fewer_folds(pictures, detector.fewest)}add good pictures: it takes "
            f"{_enough(folds, detector.fewest)} at least"
        )
    if (left := left_by(pictures, folds)) < detector.fewest:
        raise IadError(
            f"{detector.options.section}: {counted(pictures, 'good picture')}, of which each of {folds} folds leaves "
            f"{left} to fit to, and with these options it needs {detector.fewest}; add good pictures: "
            f"{_enough(folds, detector.fewest)} are enough"
        )
    fold_of = draw_folds(pictures, folds, seed)
    parts = [
        detector.unfitted().fit(good.take(fold_of != fold), calibrated_apart=True).predict(good.take(fold_of == fold))
        for fold in track(range(folds), "fold by fold", total=folds, unit=" folds")
    ]
    maps = [part.anomaly_map for part in parts if part.anomaly_map is not None]
    order = np.argsort(np.argsort(fold_of, kind="stable"))  # parts stand fold after fold
    scores = np.concatenate([part.pred_score for part in parts])
    found = np.concatenate(maps) if len(maps) == folds else None
    return Prediction(scores, found, parts[0].counting).take(order)


def left_by(pictures: int, folds: int) -> int:
    """How many pictures are left to fit to when the largest fold is taken out.

    >>> left_by(11, 5), left_by(4, 4)
    (8, 3)
    """
    return pictures - -(-pictures // folds)


def _enough(folds: int, fewest: int) -> int:
    """The fewest pictures that can be divided into folds, each of which leaves so many to fit to."""
    return next(pictures for pictures in count(max(folds, fewest + 1)) if left_by(pictures, folds) >= fewest)


def _fewer_folds(pictures: int, fewest: int) -> str:
    """What to do with so few pictures, if a fold for each leaves enough to fit to."""
    return f"set it to {pictures}, or " if pictures > 1 and pictures - 1 >= fewest else ""


def common_pictures(pictures: Mapping[str, np.ndarray]) -> np.ndarray:
    """Find the good pictures that calibrate every member `(K,)`, in the order of the first member's.

    Args:
        pictures: by member, those that calibrate it, by name or number, `(n,)`.

    Raises:
        IadError: if they are fewer than `FEWEST`.

    >>> common_pictures({"ae": np.arange(20)[::-1], "vit": np.arange(10, 30)}).tolist()
    [19, 18, 17, 16, 15, 14, 13, 12, 11, 10]
    """
    first, *others = pictures.values()
    shared = set(first.tolist()).intersection(*(one.tolist() for one in others))
    if len(shared) < FEWEST:
        counts = ", ".join(f"{member}: {len(own)}" for member, own in pictures.items())
        raise IadError(
            f"only {len(shared)} good pictures calibrate all members of the hybrid ({counts}), and it takes {FEWEST}; "
            "add good training pictures, or a calibration folder, which all methods share, or raise "
            "ae.held_out.calibration or patch.calibration"
        )
    return np.array([one for one in first.tolist() if one in shared], dtype=first.dtype)


def places_of(pictures: np.ndarray, wanted: np.ndarray, origin: str) -> np.ndarray:
    """Find where each wanted picture stands among others, int64 `(K,)`.

    Args:
        pictures: names or numbers, `(n,)`, each once.
        wanted: of the same kind, `(K,)`.
        origin: where the pictures are from; a refusal begins with it.

    Raises:
        IadError: if a wanted one is not there.

    >>> places_of(np.array([3, 1, 2]), np.array([2, 3]), "vit").tolist()
    [2, 0]
    """
    places = {picture: place for place, picture in enumerate(pictures.tolist())}
    if absent := [picture for picture in wanted.tolist() if picture not in places]:
        raise IadError(f"{origin}: no picture '{absent[0]}', which another member scored; run `dvc repro`")
    return np.array([places[picture] for picture in wanted.tolist()], dtype=np.int64)


def draw_folds(n: int, folds: int, seed: int) -> np.ndarray:
    """Draw the fold of each picture, int64 `(n,)` in [0, folds); sizes differ by one at most.

    Not scikit-learn's `KFold`, whose shuffled folds are others, so that every recorded score would change.

    >>> sorted(draw_folds(5, 2, seed=0).tolist())
    [0, 0, 0, 1, 1]
    """
    fold_of = np.empty(n, dtype=np.int64)
    fold_of[np.random.default_rng(seed).permutation(n)] = np.arange(n) % folds
    return fold_of


def draw_pictures(pictures: int, most: int, seed: int) -> np.ndarray:
    """Which pictures calibrate, int64, ascending: all, or `most` drawn at random (0: all).

    >>> draw_pictures(3, 0, seed=0).tolist(), len(draw_pictures(100, 10, seed=0))
    ([0, 1, 2], 10)
    """
    if most == 0 or most >= pictures:
        return np.arange(pictures)
    return np.sort(np.random.default_rng(seed).choice(pictures, most, replace=False))


def _combined(detector: Composite[Any], good: Embeddings, apart: Embeddings | None, seed: int) -> Calibration:
    found = {
        name: calibrate(member, good.members[name], apart.members.get(name) if apart else None, seed=seed)
        for name, member in detector.members.items()
    }
    detector.align({name: one.prediction for name, one in found.items()})
    rows = common_pictures({name: one.rows for name, one in found.items()})
    said = {name: one.prediction.take(places_of(one.rows, rows, name)) for name, one in found.items()}
    return of_members(rows, detector.combine(said), set_apart=all(one.set_apart for one in found.values()))
