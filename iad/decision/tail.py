"""The strategy `evt`: a threshold from a tail fitted to the highest calibration scores."""

from __future__ import annotations

import numpy as np

from iad.decision.pareto import excess_exceeded_by, fit_p_value, fit_pareto
from iad.decision.promises import SCHEMES, Threshold, percent
from iad.errors import IadError

FEWEST, ENOUGH = 10, 30  # points in the tail: fewer cannot be fitted; fewer are warned about
REJECTED = 0.05  # p-value of the fit below which it is not believed
DRAWS, SEED = 199, 0  # of the bootstrap behind the p-value


def evt(scores: np.ndarray, scheme: str, *, alpha: float, tail_share: float) -> Threshold:
    """Fit a generalised Pareto distribution to the highest scores and take the score that a share `alpha` exceeds.

    Peaks over threshold (Pickands 1975; Davison and Smith 1990): with the k highest of n scores above the (k+1)-th, u,
    a share k / n of good parts exceeds u, and their excesses follow this distribution if u is high enough. So the
    threshold may lie beyond all calibration scores, where no order statistic can go. It rests on that model, and on
    nothing proven for finite n; the fit's Anderson-Darling test is in `diagnostics`.

    Args:
        scores: float64 `(n_calibration,)`, out of sample, higher = more anomalous.
        scheme: key of `SCHEMES`, how the scores were made.
        alpha: false-alarm rate to aim at, below `tail_share`.
        tail_share: share of the scores that counts as tail.

    Raises:
        IadError: if the tail holds too few points, or does not begin below the wanted quantile, or is one value.
    """
    n, k = len(scores), round(tail_share * len(scores))
    if alpha >= tail_share:
        raise IadError(f"threshold.tail_share = {tail_share:g} must be above threshold.alpha = {alpha:g}; raise it")
    if k < FEWEST:
        raise IadError(
            f"{k} scores in the tail of {n} are too few to fit, it takes {FEWEST}; {SCHEMES[scheme].more}, raise "
            "threshold.tail_share, or choose another threshold.strategy"
        )
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
