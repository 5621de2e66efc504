"""Good pictures scored out of sample: the only place that names a scheme of calibration.

How a detector can be asked about good pictures that it has not learnt from follows from what it says of itself:

- `split`: other pictures were set apart for it.
- `held_out`: it kept some of its own apart.
- `leave_one_out`, `jackknife`: it can judge a picture as if that were not there. The first name is for scores that can
  only fall when a picture joins, such as a distance to the nearest pictures, which proves something; the second for all
  others.
- `k_fold`: it has to be fitted again without some of them (Stone 1974, "Cross-Validatory Choice and Assessment of
  Statistical Predictions"). A fold's detector is fitted to fewer pictures than the one that scores new parts and knows
  good pictures less well, so its scores tend to lie a little high, and a threshold from them too.

What each may promise is said in `iad.decision.promises`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from iad.detectors.base import Detector, Embeddings, Prediction
from iad.errors import IadError
from iad.progress import track

Scheme: TypeAlias = Literal["split", "held_out", "leave_one_out", "jackknife", "k_fold"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a detector says, out of sample, of good pictures.

    Attributes:
        rows: int64 `(K,)`, which of the pictures that were fitted to, or, if `scheme` is "split", of those set apart.
        prediction: of these.
        scheme: how the scores came to be out of sample.
        map_scheme: the same of the maps, which may prove less.
        record: further plain values for people to read.
    """

    rows: np.ndarray
    prediction: Prediction
    scheme: Scheme
    map_scheme: Scheme
    record: Mapping[str, Any]


def calibrate(detector: Detector[Any], good: Embeddings, apart: Embeddings | None, *, seed: int) -> Calibration:
    """Score good pictures out of sample.

    Args:
        detector: fitted to `good`.
        good: good pictures.
        apart: good pictures that were set apart to set the threshold; None or none at all: there are no such.
        seed: of what is drawn.

    Raises:
        IadError: if there are fewer pictures than folds, or as the detector says.
    """
    if apart is not None and len(apart):
        detector.check(apart)
        return _calibration(np.arange(len(apart)), detector.predict(apart), "split")
    if detector.held_out is not None:
        return _calibration(detector.held_out, detector.predict(good.take(detector.held_out)), "held_out")
    if detector.leaves_one_out:
        rows = draw_pictures(len(good), detector.most_calibrating, seed)
        found = detector.predict(good.take(rows), leave_out=rows)
        schemes = [left_out_scheme(falls) for falls in (detector.only_falls, detector.map_only_falls)]
        return _calibration(rows, found, *schemes)
    fewest = len(good) - -(-len(good) // detector.folds)
    record = {"folds": detector.folds, "calibration_fitted_to_at_least": fewest}
    return _calibration(np.arange(len(good)), by_folds(detector, good, seed=seed), "k_fold", record=record)


def of_members(rows: np.ndarray, fused: Prediction) -> Calibration:
    """Fused scores of good pictures that calibrate every member of a hybrid, out of sample for each of them.

    The scales on which they are fused come from the same pictures, and a new one had no say in them, so nothing is
    proven.

    Args:
        rows: int64 `(K,)`, which of the pictures.
        fused: of these.
    """
    return _calibration(rows, fused, "jackknife")


def left_out_scheme(only_falls: bool) -> Scheme:
    """What leaving a picture out can prove, by whether a value can only fall when one joins."""
    return "leave_one_out" if only_falls else "jackknife"


def by_folds(detector: Detector[Any], good: Embeddings, *, seed: int) -> Prediction:
    """Predict each picture by a detector of the same options that was fitted to the other folds.

    Raises:
        IadError: if there are more folds than pictures.
    """
    folds = detector.folds
    if len(good) < folds:
        raise IadError(
            f"{detector.options.section}.folds = {folds}: only {len(good)} good pictures to divide; set it to "
            f"{max(len(good), 2)} or less, or add good pictures"
        )
    fold_of, parts = draw_folds(len(good), folds, seed), []
    for fold in track(range(folds), "fold by fold", total=folds, unit=" folds"):
        held = np.flatnonzero(fold_of == fold)
        fitted = detector.unfitted().fit(good.take(np.flatnonzero(fold_of != fold)))
        parts.append((held, fitted.predict(good.take(held))))
    order = np.argsort(np.concatenate([held for held, _ in parts]))
    maps = [found.anomaly_map for _, found in parts]
    return Prediction(
        np.concatenate([found.pred_score for _, found in parts])[order],
        None if any(one is None for one in maps) else np.concatenate([one for one in maps if one is not None])[order],
    )


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


def _calibration(
    rows: np.ndarray, prediction: Prediction, scheme: Scheme, map_scheme: Scheme | None = None,
    record: Mapping[str, Any] | None = None,
) -> Calibration:  # fmt: skip
    return Calibration(rows, prediction, scheme, map_scheme or scheme, record or {})
