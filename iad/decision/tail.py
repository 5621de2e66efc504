"""The strategy `evt`: a threshold from a generalised Pareto tail fitted to the highest calibration scores.

An excess y >= 0 over the start of the tail is exceeded with probability `(1 + shape y / scale)^(-1 / shape)`, and
`exp(-y / scale)` at shape 0. The shape is the field's xi: 0 decays like an exponential, above 0 more slowly, below 0
the tail ends at `-scale / shape`. Functions of the distribution work on the last axis, so that the bootstrap fits all
its samples at once.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from iad.decision.promises import ESTIMATE, SCHEMES, Threshold, exact
from iad.errors import IadError
from iad.words import counted, percent

FEWEST, ENOUGH = 10, 30  # points in the tail: fewer cannot be fitted; fewer are warned about
REJECTED = 0.05  # p-value of the fit below which it is not believed
DRAWS, SEED = 199, 0  # of the bootstrap behind the p-value
GRID = np.arange(-25.0, 40.25, 0.5)  # of w = log(1 + t); t = shape / scale times the largest excess, above -1
ZOOM = np.arange(-8, 9) / 8
ZOOMS = 6  # each divides the step by 8, to 2e-6
CHUNK = 2_000_000  # numbers held at once
Values: TypeAlias = np.ndarray | float
"""One number per sample, float64 `(...)`, or one for all."""


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
            f"{ESTIMATE}: a generalised Pareto tail fitted to the {k} highest of {n} scores of good "
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


def fit_pareto(excesses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit shape and scale by maximum likelihood, over shapes of -1 and more, below which there is no maximum.

    For a given ratio t = shape / scale the best shape is the mean of log(1 + t y), which leaves a search in one
    dimension (Grimshaw 1993, Technometrics 35). It is done on a grid of log(1 + t) that covers the line and is refined
    around its best point, so that a second, lower maximum misleads it no more than a flat one.

    Args:
        excesses: float64 `(..., k)`, at least 0, the largest of each sample above 0.

    Returns:
        shape and scale, each float64 `(...)`.

    >>> shape, scale = fit_pareto(-2 * np.log(np.linspace(0.001, 0.999, 500)))  # exponential, of scale 2
    >>> bool(abs(shape) < 0.01), round(float(scale), 1)
    (True, 2.0)
    """
    samples = excesses.reshape(-1, excesses.shape[-1])
    rows = max(1, CHUNK // (len(GRID) * samples.shape[1]))
    parts = [_fit(samples[start : start + rows]) for start in range(0, len(samples), rows)]
    found = np.concatenate(parts, axis=1).reshape(2, *excesses.shape[:-1])
    return found[0], found[1]


def log_survival(excesses: np.ndarray, shape: Values, scale: Values) -> np.ndarray:
    """Logarithm of the probability that an excess is exceeded, float64 `(..., k)`; -inf beyond the tail's end.

    >>> np.exp(log_survival(np.array([0.0, 2.0, 6.0]), 1.0, 2.0)).tolist()
    [1.0, 0.5, 0.25]
    """
    shape, ratio = np.asarray(shape)[..., None], excesses / np.asarray(scale)[..., None]
    flat = np.abs(shape) < 1e-9
    with np.errstate(divide="ignore"):
        curved = -np.log1p(np.maximum(shape * ratio, -1.0)) / np.where(flat, 1.0, shape)
    return np.asarray(np.where(flat, -ratio, curved))


def excess_exceeded_by(share: Values, shape: Values, scale: Values) -> np.ndarray:
    """The excess that a share in (0, 1] of excesses exceeds, float64; the arguments are broadcast.

    >>> excess_exceeded_by(np.array([0.5, 0.25]), 1.0, 2.0).tolist()  # half of them are above 2, a quarter above 6
    [2.0, 6.0]
    """
    log, flat = -np.log(share), np.abs(shape) < 1e-9
    return np.asarray(scale * np.where(flat, log, np.expm1(shape * log) / np.where(flat, 1.0, shape)))


def anderson_darling(excesses: np.ndarray, shape: Values, scale: Values) -> np.ndarray:
    """A-squared of samples against a distribution each, float64 `(...)`: 0 is the perfect fit, tails weigh most."""
    k = excesses.shape[-1]
    above = log_survival(np.sort(excesses, axis=-1), shape, scale)
    above = np.clip(above, np.log(np.finfo(np.float64).tiny), -1e-12)  # the largest excess may end a fitted tail
    below = np.log(-np.expm1(above))
    weights = 2 * np.arange(1, k + 1) - 1
    return np.asarray(-k - (weights * (below + above[..., ::-1])).mean(axis=-1))


def fit_p_value(excesses: np.ndarray, shape: float, scale: float, *, draws: int, seed: int) -> tuple[float, float]:
    """Test whether excesses follow the generalised Pareto distribution that was fitted to them.

    The parametric bootstrap: samples of the fitted distribution are fitted again, and the p-value is the share of them
    that fit no better. (Tables such as that of Choulakian and Stephens 2001 tabulate the same law for large k.)

    Args:
        excesses: float64 `(k,)`.
        shape: fitted to them.
        scale: fitted to them.
        draws: number of samples.
        seed: of the samples.

    Returns:
        A-squared, and the p-value in (0, 1].
    """
    found = float(anderson_darling(excesses, shape, scale))
    uniform = 1 - np.random.default_rng(seed).random((draws, len(excesses)))  # in (0, 1]
    samples = excess_exceeded_by(uniform, shape, scale)
    drawn = anderson_darling(samples, *fit_pareto(samples))
    return found, float((1 + (drawn >= found).sum()) / (1 + draws))


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


def _fit(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    largest = samples.max(axis=1)
    ratios = samples / largest[:, None]
    centre, step = np.zeros((len(samples), 1)), 1.0
    for offsets in (GRID, *[ZOOM] * ZOOMS):
        candidates = centre + step * offsets  # (B, G)
        centre = np.take_along_axis(candidates, _profile(ratios, candidates)[2].argmax(axis=1)[:, None], axis=1)
        step = 0.5 if offsets is GRID else step / 8
    shape, scale, likelihood = (values[:, 0] for values in _profile(ratios, centre))
    uniform = likelihood < 0  # the likelihood of shape -1 is 1
    return np.where(uniform, -1.0, shape), largest * np.where(uniform, 1.0, scale)


def _profile(ratios: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best shape, its scale and the mean log-likelihood for each w of each sample, `(B, G)`."""
    t = np.expm1(w)
    shape = np.log1p(t[:, :, None] * ratios[:, None, :]).mean(axis=2)  # (B, G, k) -> (B, G)
    exponential = np.abs(t) < 1e-9
    mean = ratios.mean(axis=1)[:, None]
    scale = np.where(exponential, mean, shape / np.where(exponential, 1.0, t))
    likelihood = -np.log(scale) - shape - 1
    return shape, scale, np.where(shape >= -1, likelihood, -np.inf)
