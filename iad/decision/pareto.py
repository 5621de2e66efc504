"""The generalised Pareto distribution: maximum-likelihood fit, quantiles, goodness of fit.

An excess y >= 0 is exceeded with probability `(1 + shape y / scale)^(-1 / shape)`, and `exp(-y / scale)` at shape 0.
The shape is the field's xi: 0 decays like an exponential, above 0 more slowly, below 0 the tail ends at
`-scale / shape`. Functions work on the last axis, so that the bootstrap fits all its samples at once.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

Values: TypeAlias = np.ndarray | float
"""One number per sample, float64 `(...)`, or one for all."""

GRID = np.arange(-25.0, 40.25, 0.5)  # of w = log(1 + t); t = shape / scale times the largest excess, above -1
ZOOM = np.arange(-8, 9) / 8
ZOOMS = 6  # each divides the step by 8, to 2e-6
CHUNK = 2_000_000  # numbers held at once


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
