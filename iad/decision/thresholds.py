"""Thresholds from the scores of good pictures alone: a part is anomalous if and only if `score >= threshold`.

A strategy is one function and one line of `STRATEGIES`. It takes calibration scores, the scheme by which they were made
out of sample, and keyword-only options, each named like its key in the section `threshold` of `params.yaml`. Its result
says what it promises, and for how many pictures.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from iad.decision.conformal import conformal, maximum, percentile
from iad.decision.promises import SCHEMES, Threshold
from iad.decision.tail import evt
from iad.errors import IadError, unknown

__all__ = ["STRATEGIES", "Threshold", "is_anomalous", "option_names", "set_threshold"]

STRATEGIES: dict[str, Callable[..., Threshold]] = {
    "conformal": conformal,
    "evt": evt,
    "max": maximum,
    "percentile": percentile,
}


def is_anomalous(scores: np.ndarray, threshold: float) -> np.ndarray:
    """Decide which parts are anomalous: those with `score >= threshold`. Every verdict of this package is made here.

    Args:
        scores: float64 of any shape, higher = more anomalous.
        threshold: in the unit of the scores.

    Returns:
        bool of the same shape.

    >>> is_anomalous(np.array([0.1, 0.5, 0.9]), 0.5).tolist()
    [False, True, True]
    """
    return np.asarray(scores) >= threshold


def option_names(strategy: str) -> tuple[str, ...]:
    """Names of the options a strategy takes; each is a key of the section `threshold` of `params.yaml`.

    Raises:
        IadError: if there is no such strategy.

    >>> option_names("evt")
    ('alpha', 'tail_share')
    """
    if strategy not in STRATEGIES:
        raise unknown("threshold.strategy", strategy, STRATEGIES)
    parameters = inspect.signature(STRATEGIES[strategy]).parameters.values()
    return tuple(parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY)


def set_threshold(
    scores: np.ndarray,
    strategy: str,
    options: Mapping[str, float],
    *,
    scheme: str,
    origin: str = "calibration scores",
) -> Threshold:
    """Set a threshold from the scores of good pictures that the detector has not learnt from.

    Args:
        scores: float64 `(n_calibration,)`, higher = more anomalous.
        strategy: key of `STRATEGIES`.
        options: a value for each of `option_names(strategy)`.
        scheme: key of `SCHEMES`, how the scores came to be out of sample.
        origin: where the scores come from; a refusal begins with it.

    Raises:
        IadError: if there is no score, a score is not finite, the strategy cannot be followed with so few, or the
            threshold would reject every part that differs at all from the calibration pictures.

    >>> found = set_threshold(np.arange(1.0, 41.0), "conformal", {"alpha": 0.05}, scheme="leave_one_out")
    >>> found.value > 39, found.promised_rate, found.guaranteed
    (True, 0.05, True)
    """
    names = option_names(strategy)
    if scheme not in SCHEMES:
        raise unknown("scheme of calibration", scheme, SCHEMES)
    scores = np.asarray(scores, dtype=np.float64)
    try:
        _require_scores(scores)
        threshold = STRATEGIES[strategy](scores, scheme, **{name: options[name] for name in names})
        _require_use(scores, threshold)
    except IadError as refusal:
        raise IadError(f"{origin}: {refusal}") from None
    return replace(threshold, warnings=(*threshold.warnings, *_ties(scores)))


def _require_scores(scores: np.ndarray) -> None:
    if scores.size == 0:
        raise IadError("no calibration picture; give the data set more good training pictures")
    if not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).sum())
        raise IadError(f"{bad} of {scores.size} scores are not finite; run `dvc repro --force` for its stage")


def _require_use(scores: np.ndarray, threshold: Threshold) -> None:
    value, accepted = threshold.value, scores[~is_anomalous(scores, threshold.value)]
    if not math.isfinite(value):
        raise IadError(f"strategy {threshold.strategy} finds no finite threshold; choose another threshold.strategy")
    if scores.size == 1 and not accepted.size:
        raise IadError("one calibration picture sets no threshold; add good training pictures: it takes 3 at least")
    if scores.size == 2 and scores[0] == scores[1]:  # as two pictures do that are each other's only neighbour
        raise IadError(f"both calibration pictures score {value:.4f}; add good training pictures: it takes 3 at least")
    # a nearest-neighbour search that finds the picture itself gives distance 0: the 0.0000 of the original study
    cause = "pictures that find themselves among their neighbours, or copies" if scores.min() == 0 else "copies"
    look = f"look for {cause} of one picture among the training pictures"
    if not accepted.size:
        raise IadError(
            f"the threshold {value:.4f} would reject all {scores.size} good calibration pictures, and so every part; "
            f"{look}"
        )
    if accepted.size > 1 and accepted.min() == accepted.max():
        raise IadError(
            f"the threshold {value:.4f} would accept parts that score exactly {accepted[0]:.4f}, as {accepted.size} of "
            f"{scores.size} good calibration pictures do, and reject almost every part; {look}"
        )


def _ties(scores: np.ndarray) -> tuple[str, ...]:
    different = len(np.unique(scores))
    warning = (
        f"the {scores.size} calibration scores take only {different} values; if pictures are copies, the promise rests "
        "on fewer of them than it says"
    )
    return (warning,) if 2 * different < scores.size else ()
