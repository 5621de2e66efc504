"""Does a threshold keep its promise? How surprising the false alarms on the test pictures are."""

from __future__ import annotations

import math

import numpy as np


def excess_p(false_alarms: int, good: int, promised_rate: float, n_calibration: int | None = None) -> float:
    """Probability of at least so many false alarms if the promised rate is kept; small means that it is not.

    A promise of conformal calibration holds on average over the choice of calibration pictures; the rate of one
    threshold that is the k-th largest of n exchangeable scores follows Beta(k, n + 1 - k). So the count among `good`
    new pictures is beta-binomial (Vovk 2012, "Conditional validity of inductive conformal predictors", section 2), with
    k = promised_rate * (n + 1). A plain binomial test would take the threshold as exact and, with 82 calibration and
    177 test pictures, call one kept promise in six broken. For large n both agree.

    Args:
        false_alarms: rejected good test pictures, in [0, good].
        good: good test pictures.
        promised_rate: probability that a good part is rejected, in (0, 1).
        n_calibration: good pictures behind the threshold; None takes the threshold as exact (binomial).

    Returns:
        One-sided p value in [0, 1].

    >>> round(excess_p(3, 10, 0.1), 4), round(excess_p(3, 10, 0.1, 19), 4)
    (0.0702, 0.1048)
    """
    if not 0 < promised_rate < 1 or false_alarms <= 0:
        return 1.0
    counts = np.arange(false_alarms, good + 1)
    choices = np.array([math.lgamma(good + 1) - math.lgamma(k + 1) - math.lgamma(good - k + 1) for k in counts])
    if n_calibration is None:
        logs = choices + counts * math.log(promised_rate) + (good - counts) * math.log1p(-promised_rate)
    else:
        a, b = promised_rate * (n_calibration + 1), (1 - promised_rate) * (n_calibration + 1)
        logs = choices + np.array([_log_beta(a + k, b + good - k) for k in counts]) - _log_beta(a, b)
    return min(1.0, float(np.exp(logs).sum()))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
