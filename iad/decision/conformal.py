"""Conformal p-values of scores, and strategies that take a calibration score, or the gap above it, as the threshold.

Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World" (2005); Papadopoulos et al., "Inductive Confidence
Machines for Regression" (2002); Bates et al., "Testing for Outliers with Conformal p-values" (2023, arXiv 2104.08279).
"""

from __future__ import annotations

import math

import numpy as np

from iad.decision.promises import (
    ESTIMATE,
    SCHEMES,
    Threshold,
    exact,
    in_words,
    pictures_for_maximum,
    pictures_needed,
    ranks_within,
    upper_rate_limit,
)
from iad.errors import IadError
from iad.words import counted, percent


def p_values(calibration: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """How odd each part would be, were it good: `(1 + #{calibration >= score}) / (n + 1)`.

    Of a good part, where the calibration scheme is proven, the p-value is at most alpha with a probability of at most
    alpha. `p <= alpha` if and only if `score >= conformal(calibration, ..., alpha=alpha).value`.

    Args:
        calibration: float64 `(n,)`, finite scores of good pictures, out of sample, higher = more anomalous.
        scores: float64 of any shape, finite, of new pictures.

    Returns:
        float64 of the shape of `scores`, in [1 / (n + 1), 1]; the lower, the more anomalous.

    >>> p_values(np.array([1.0, 2.0, 3.0]), np.array([0.5, 2.0, 9.0])).tolist()
    [1.0, 0.75, 0.25]
    """
    n = len(calibration)
    reaching = n - np.searchsorted(np.sort(calibration), scores, side="left")
    return np.asarray((1 + reaching) / (n + 1), dtype=np.float64)


def percentile(scores: np.ndarray, scheme: str, *, percentile: float) -> Threshold:
    """Take a percentile of the calibration scores, interpolated linearly, as the original study did.

    With n exchangeable scores without ties and alpha = 1 - percentile / 100, a new good part reaches this threshold
    with a probability of about `(n alpha + 1 - alpha) / (n + 1)`: more than alpha, which it nears as n grows. Below
    `1 / alpha - 1` pictures no order statistic can promise alpha, so the result carries a warning.

    Args:
        scores: float64 `(n_calibration,)`, out of sample, higher = more anomalous.
        scheme: key of `SCHEMES`, how the scores were made.
        percentile: in (0, 100].

    >>> percentile(np.arange(21.0), "split", percentile=95).value
    19.0
    """
    n, alpha = len(scores), 1 - exact(percentile) / 100
    expected = float((n * alpha + 1 - alpha) / (n + 1))
    return Threshold(
        strategy="percentile",
        value=float(np.percentile(scores, percentile)),
        n_calibration=n,
        scheme=scheme,
        promised_rate=expected,
        guaranteed=False,
        rate_limit=None,
        guarantee=(
            f"{ESTIMATE}: percentile {percentile:g} of {counted(n, 'score')} of good pictures, so "
            f"about {percent(expected)} of good parts like those are expected to be rejected"
        ),
        warnings=_doubts_of_percentile(n, float(alpha)),
    )


def conformal(scores: np.ndarray, scheme: str, *, alpha: float) -> Threshold:
    """Reject a part whose conformal p-value, see `p_values`, is at most `alpha`.

    That holds for a score exactly if fewer than `m + 1 = floor(alpha (n + 1))` calibration scores reach it, so the
    threshold is the next number above the (m+1)-th largest of them. Where the scheme is proven, a good part
    exchangeable with the calibration pictures is rejected with a probability of at most alpha, for any n and any
    distribution; without ties, a split loses at most `1 / (n + 1)` of it. This is an average over calibration sets:
    the rate of one set follows Beta(m + 1, n - m) (Vovk 2012), which gives `rate_limit`.

    Args:
        scores: float64 `(n_calibration,)`, out of sample, higher = more anomalous.
        scheme: key of `SCHEMES`, how the scores were made.
        alpha: highest acceptable false-alarm rate, in (0, 1).

    Raises:
        IadError: if n + 1 < 1 / alpha, where no part could ever be rejected.

    >>> found = conformal(np.arange(40.0), "leave_one_out", alpha=0.05)
    >>> found.value, found.guaranteed  # two of 41 ranks are rejected: those above all scores but the highest
    (38.00000000000001, True)
    """
    n, made = len(scores), SCHEMES[scheme]
    ranks = ranks_within(alpha, n)  # m + 1
    if ranks < 1:
        lower = f", or set threshold.alpha to {_least_alpha(n):g} or more" if n > 1 else ""  # one sets no threshold
        raise IadError(
            f"{counted(n, 'calibration picture')} cannot hold threshold.alpha = {alpha:g}: it takes at least "
            f"{pictures_needed(alpha)}; {made.more}{lower}"
        )
    limit = upper_rate_limit(n, ranks - 1) if made.independent else None
    only = f"with only {counted(n, 'calibration picture')}"
    loose = f"{only}, {percent(limit or 0)} of good parts may be rejected (95 % confidence)"
    return Threshold(
        strategy="conformal",
        value=_above(scores, ranks),
        n_calibration=n,
        scheme=scheme,
        promised_rate=float(alpha),
        guaranteed=made.proven,
        rate_limit=limit,
        guarantee=in_words(alpha, scheme, n, limit),
        warnings=(f"{loose}; {made.more}",) if limit and limit > 2 * alpha else (),
    )


def maximum(scores: np.ndarray, scheme: str, *, alpha: float) -> Threshold:
    """Accept every calibration picture: the threshold is the next number above the highest score.

    A part exchangeable with the calibration pictures beats all n of them with a probability of at most `1 / (n + 1)`
    where the scheme is proven. With independent scores, the rate of this one threshold is at most `1 - 0.05^(1/n)`
    with 95 % confidence.

    Args:
        scores: float64 `(n_calibration,)`, out of sample, higher = more anomalous.
        scheme: key of `SCHEMES`, how the scores were made.
        alpha: false-alarm rate above which the result carries a warning, in (0, 1).

    >>> found = maximum(np.arange(19.0), "leave_one_out", alpha=0.05)
    >>> found.value, found.promised_rate
    (18.000000000000004, 0.05)
    """
    n, made = len(scores), SCHEMES[scheme]
    expected, limit = 1 / (n + 1), upper_rate_limit(n, 0) if made.independent else None
    needed = pictures_for_maximum(alpha) if made.independent else pictures_needed(alpha)
    certainty = " with 95 % confidence" if made.independent else ""
    return Threshold(
        strategy="max",
        value=_above(scores, 1),
        n_calibration=n,
        scheme=scheme,
        promised_rate=expected,
        guaranteed=made.proven,
        rate_limit=limit,
        guarantee=in_words(expected, scheme, n, limit),
        warnings=(f"{_too_few(n, alpha)}{certainty}: it takes {needed}; {made.more}",) if n < needed else (),
    )


def _above(scores: np.ndarray, rank: int) -> float:
    """The smallest float above the `rank`-th largest score."""
    beaten = float(np.partition(scores, -rank)[-rank])
    return math.nextafter(beaten, math.inf)


def _doubts_of_percentile(n: int, alpha: float) -> tuple[str, ...]:
    if alpha == 0:
        return ("percentile 100 is the maximum and rejects it; strategy `max` accepts it",)
    needed = pictures_needed(alpha)
    return (f"{_too_few(n, alpha)}: it takes at least {needed}",) if n < needed else ()


def _too_few(n: int, alpha: float) -> str:
    pictures = counted(n, "calibration picture is", "calibration pictures are")
    return f"{pictures} too few for a false-alarm rate of {percent(alpha)}"


def _least_alpha(n: int) -> float:
    """The least alpha that n pictures can hold, rounded up to three digits."""
    digits = 2 + math.ceil(math.log10(n + 1))
    steps = int(10**digits)
    return math.ceil(steps / (n + 1)) / steps
