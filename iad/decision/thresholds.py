"""Thresholds from the scores of good pictures alone: a part is anomalous if and only if `score >= threshold`.

A strategy is one function and one line of `STRATEGIES`. It takes calibration scores and keyword-only options, each
named like its key in the section `threshold` of `params.yaml`. Its result says what it promises, and for how many
pictures.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from iad.errors import IadError, unknown


@dataclass(frozen=True)
class Threshold:
    """A threshold and what may be said about it.

    Attributes:
        strategy: key of `STRATEGIES`.
        value: parts with `score >= value` are anomalous.
        n_calibration: number of good pictures it rests on.
        guarantee: what the strategy promises, in words.
        warning: why the promise is weak here, or None.
    """

    strategy: str
    value: float
    n_calibration: int
    guarantee: str
    warning: str | None


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


def percentile(scores: np.ndarray, *, percentile: float) -> Threshold:
    """Take a percentile of the calibration scores, interpolated linearly, as the original study did.

    With n exchangeable scores without ties and alpha = 1 - percentile / 100, a new good part reaches this threshold
    with a probability of about `(n alpha + 1 - alpha) / (n + 1)`: more than alpha, which it nears as n grows. Below
    `1 / alpha - 1` pictures no order statistic can promise alpha, so the result carries a warning.

    Args:
        scores: float64 `(n_calibration,)`, out of sample, higher = more anomalous.
        percentile: in (0, 100].
    """
    n, alpha = len(scores), 1 - percentile / 100
    expected = (n * alpha + 1 - alpha) / (n + 1)
    return Threshold(
        strategy="percentile",
        value=float(np.percentile(scores, percentile)),
        n_calibration=n,
        guarantee=(
            f"no finite-sample guarantee: percentile {percentile:g} of {n} scores of good pictures, so about "
            f"{_percent(expected)} of good parts like those are expected to be rejected"
        ),
        warning=_too_few(n, alpha),
    )


STRATEGIES: dict[str, Callable[..., Threshold]] = {"percentile": percentile}


def option_names(strategy: str) -> tuple[str, ...]:
    """Names of the options a strategy takes; each is a key of the section `threshold` of `params.yaml`.

    Raises:
        IadError: if there is no such strategy.

    >>> option_names("percentile")
    ('percentile',)
    """
    if strategy not in STRATEGIES:
        raise unknown("threshold.strategy", strategy, STRATEGIES)
    parameters = inspect.signature(STRATEGIES[strategy]).parameters.values()
    return tuple(parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY)


def set_threshold(
    scores: np.ndarray, strategy: str, options: Mapping[str, float], *, origin: str = "calibration scores"
) -> Threshold:
    """Set a threshold from the scores of good pictures that the detector has not learnt from.

    Args:
        scores: float64 `(n_calibration,)`, higher = more anomalous.
        strategy: key of `STRATEGIES`.
        options: a value for each of `option_names(strategy)`.
        origin: where the scores come from; a refusal begins with it.

    Raises:
        IadError: if there is no score, a score is not finite, or the threshold would reject every calibration picture.
    """
    names = option_names(strategy)
    scores = np.asarray(scores, dtype=np.float64)
    if scores.size == 0:
        raise IadError(f"{origin}: no calibration picture; give the data set more good training pictures")
    if not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).sum())
        raise IadError(f"{origin}: {bad} of {scores.size} scores are not finite; run `dvc repro --force` for its stage")
    threshold = STRATEGIES[strategy](scores, **{name: options[name] for name in names})
    if is_anomalous(scores, threshold.value).all():
        raise IadError(f"{origin}: {_all_rejected(scores, threshold.value)}")
    return threshold


def _all_rejected(scores: np.ndarray, value: float) -> str:
    if scores.size == 1:
        return "one calibration picture sets no threshold; give the data set more good training pictures"
    # a nearest-neighbour search that finds the picture itself gives distance 0: the 0.0000 of the original study
    cause = "pictures that find themselves among their neighbours, or copies" if value == 0 else "copies of one picture"
    return (
        f"the threshold {value:.4f} would reject all {scores.size} good calibration pictures, and so every part; "
        f"look for {cause} among the training pictures"
    )


def _too_few(n: int, alpha: float) -> str | None:
    if alpha == 0:
        return "percentile 100 is the maximum: no number of pictures promises that no good part is rejected"
    needed = math.ceil(round(1 / alpha - 1, 6))
    if n >= needed:
        return None
    return (
        f"{n} calibration pictures are too few for a false-alarm rate of {_percent(alpha)}: it takes at least {needed}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
