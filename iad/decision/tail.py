"""The strategy `evt`: a threshold from a tail fitted to the highest calibration scores."""

from __future__ import annotations

import math

import numpy as np

from iad.decision.pareto import excess_exceeded_by, fit_p_value, fit_pareto
from iad.decision.promises import SCHEMES, Threshold, counted, exact, percent
from iad.errors import IadError

FEWEST, ENOUGH = 10, 30  # points in the tail: fewer cannot be fitted; fewer are warned about
REJECTED = 0.05  # p-value of the fit below which it is not believed
DRAWS, SEED = 199, 0  # of the bootstrap behind the p-value


def evt(scores: np.ndarray, scheme: str, *, alpha: float, tail_share: float) -> Threshold:
    """Fit a generalised Pareto distribution to the highest scores and take the score that a share `alpha` exceeds.

    Peaks over threshold (Pickands 1975; Davison and Smith 1990): with the k highest of n scores above the (k+1)-th, u,
    a share k / n of good parts exceeds u, and their excesses follow this distribution if u is high enough. So the
    threshold may lie beyond all calibration scores, where no order statistic can go, and never below u. It rests on
    that model, and on nothing proven for finite n; the fit's Anderson-Darling test is in `diagnostics`.

    Args:
        scores: float64 `(n_calibration,)`, out of sample, higher = more anomalous.
        scheme: key of `SCHEMES`, how the scores were made.
        alpha: false-alarm rate to aim at, below `tail_share`.
        tail_share: share of the scores that counts as tail; one score more where alpha of the scores would be as many.

    Raises:
        IadError: if the tail holds too few points, or does not begin below the wanted quantile, or is one value.

    >>> found = evt(np.arange(200.0), "split", alpha=0.01, tail_share=0.2)
    >>> found.diagnostics["tail_points"], found.diagnostics["tail_start"], 159 < found.value
    (40, 159.0, True)
    """
    n = len(scores)
    k = _tail_points(n, scheme, alpha, tail_share)
    highest = np.sort(scores)[-k - 1 :]
    start, excesses = float(highest[0]), highest[1:] - highest[0]
    if excesses[-1] == 0:
        raise IadError(f"the {k + 1} highest scores are all {start:.4f}, so there is no tail to fit; look for copies")
    shape, scale = (float(value) for value in fit_pareto(excesses))
    statistic, p_value = fit_p_value(excesses, shape, scale, draws=DRAWS, seed=SEED)
    return Threshold(
        strategy="evt",
        value=start + float(excess_exceeded_by(alpha * n / k, shape, scale)),
        n_calibration=n,
        scheme=scheme,
        promised_rate=float(alpha),
        guaranteed=False,
        rate_limit=None,
        guarantee=(
            f"no finite-sample guarantee: a generalised Pareto tail fitted to the {k} highest of {n} scores of good "
            f"pictures puts the share of good parts rejected at {percent(alpha)}"
        ),
        warnings=tuple(_doubts(n, k, alpha, p_value)),
        diagnostics={
            "tail_points": k,
            "tail_start": start,
            "shape": shape,
            "scale": scale,
            "anderson_darling": statistic,
            "p_value": p_value,
        },
    )


def _tail_points(n: int, scheme: str, alpha: float, tail_share: float) -> int:
    """How many of n scores are the tail: so many that it begins below the quantile which a share `alpha` exceeds."""
    if alpha >= tail_share:
        raise IadError(
            f"threshold.tail_share = {tail_share:g} must be above threshold.alpha = {alpha:g}; raise the one or lower "
            "the other"
        )
    # a tail of alpha n scores or fewer begins at or above the quantile: rounding may leave so few
    k = max(min(round(tail_share * n), n - 1), math.floor(exact(alpha) * n) + 1)
    if k < FEWEST:
        other = "raise threshold.tail_share, or " if n > FEWEST else ""
        raise IadError(
            f"a tail of {counted(k, 'score')} out of {n} is too short to fit, it takes {FEWEST}; "
            f"{SCHEMES[scheme].more}, {other}choose another threshold.strategy"
        )
    if k >= n:
        raise IadError(f"threshold.alpha = {alpha:g} of {n} scores leaves none below the tail; lower threshold.alpha")
    return k


def _doubts(n: int, k: int, alpha: float, p_value: float) -> list[str]:
    doubts = []
    if p_value < REJECTED:
        doubts.append(
            f"the {k} highest scores do not follow a generalised Pareto tail (p = {p_value:.3g}); "
            "choose another threshold.tail_share or threshold.strategy"
        )
    if k < ENOUGH:
        doubts.append(f"a tail of {k} scores is short, its fit uncertain; it takes {ENOUGH} or more")
    if alpha * (n + 1) < 1:
        doubts.append(f"{n} calibration pictures show nothing at a rate of {percent(alpha)}: the tail is extrapolated")
    return doubts
