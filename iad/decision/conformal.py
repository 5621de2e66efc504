"""Strategies that take one of the calibration scores, or the gap above it, as the threshold."""

from __future__ import annotations

import math

import numpy as np

from iad.decision.promises import (
    SCHEMES,
    Threshold,
    exact,
    percent,
    pictures_for_maximum,
    pictures_needed,
    upper_rate_limit,
)
from iad.errors import IadError


def percentile(scores: np.ndarray, scheme: str, *, percentile: float) -> Threshold:
    """Take a percentile of the calibration scores, interpolated linearly, as the original study did.

    With n exchangeable scores without ties and alpha = 1 - percentile / 100, a new good part reaches this threshold
    with a probability of about `(n alpha + 1 - alpha) / (n + 1)`: more than alpha, which it nears as n grows. Below
    `1 / alpha - 1` pictures no order statistic can promise alpha, so the result carries a warning.

    Args:
        scores: float64 `(n_calibration,)`, out of sample, higher = more anomalous.
        scheme: key of `SCHEMES`, how the scores were made.
        percentile: in (0, 100].
    """
    n, alpha = len(scores), 1 - exact(percentile) / 100
    expected = float((n * alpha + 1 - alpha) / (n + 1))
    if alpha == 0:
        warnings: tuple[str, ...] = ("percentile 100 is the maximum and rejects it; strategy `max` accepts it",)
    else:
        needed = pictures_needed(alpha)
        few = (
            f"{n} calibration pictures are too few for a false-alarm rate of {percent(float(alpha))}: it takes at least"
        )
        warnings = (f"{few} {needed}",) if n < needed else ()
    return Threshold(
        strategy="percentile",
        value=float(np.percentile(scores, percentile)),
        n_calibration=n,
        scheme=scheme,
        promised_rate=expected,
        guaranteed=False,
        rate_limit=None,
        guarantee=(
            f"no finite-sample guarantee: percentile {percentile:g} of {n} scores of good pictures, so about "
            f"{percent(expected)} of good parts like those are expected to be rejected"
        ),
        warnings=warnings,
    )


def conformal(scores: np.ndarray, scheme: str, *, alpha: float) -> Threshold:
    """Reject a part whose conformal p-value `(1 + #{calibration >= score}) / (n + 1)` is at most `alpha`.

    That holds for a score exactly if fewer than `m + 1 = floor(alpha (n + 1))` calibration scores reach it, so the
    threshold is the next number above the (m+1)-th largest of them. Where the scheme is proven, a good part
    exchangeable with the calibration pictures is rejected with a probability of at most alpha, for any n and any
    distribution; without ties, a split loses at most `1 / (n + 1)` of it. This is an average over calibration sets:
    the rate of one set follows Beta(m + 1, n - m) (Vovk, Gammerman, Shafer 2005; Vovk 2012), which gives `rate_limit`.

    Args:
        scores: float64 `(n_calibration,)`, out of sample, higher = more anomalous.
        scheme: key of `SCHEMES`, how the scores were made.
        alpha: highest acceptable false-alarm rate, in (0, 1).

    Raises:
        IadError: if n + 1 < 1 / alpha, where no part could ever be rejected.
    """
    n, made = len(scores), SCHEMES[scheme]
    reached = math.floor(exact(alpha) * (n + 1))  # m + 1
    if reached < 1:
        raise IadError(
            f"{n} calibration pictures cannot hold threshold.alpha = {alpha:g}: it takes at least "
            f"{pictures_needed(exact(alpha))}; {made.more}, or set threshold.alpha to {_least_alpha(n):g} or more"
        )
    limit = upper_rate_limit(n, reached - 1) if made.independent else None
    loose = f"with only {n} calibration pictures, {percent(limit or 0)} of good parts may be rejected (95 % confidence)"
    return Threshold(
        strategy="conformal",
        value=_above(scores, reached),
        n_calibration=n,
        scheme=scheme,
        promised_rate=float(alpha),
        guaranteed=made.proven,
        rate_limit=limit,
        guarantee=_in_words(
            f"at most {percent(alpha)}" if made.proven else f"about {percent(alpha)}", scheme, n, limit
        ),
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
    """
    n, made = len(scores), SCHEMES[scheme]
    expected, limit = 1 / (n + 1), upper_rate_limit(n, 0) if made.independent else None
    needed = pictures_for_maximum(alpha) if made.independent else pictures_needed(exact(alpha))
    certainty = " with 95 % confidence" if made.independent else ""
    few = f"{n} calibration pictures are too few for a false-alarm rate of {percent(alpha)}{certainty}"
    return Threshold(
        strategy="max",
        value=_above(scores, 1),
        n_calibration=n,
        scheme=scheme,
        promised_rate=expected,
        guaranteed=made.proven,
        rate_limit=limit,
        guarantee=_in_words(f"{'at most' if made.proven else 'about'} {percent(expected)}", scheme, n, limit),
        warnings=(f"{few}: it takes {needed}; {made.more}",) if n < needed else (),
    )


def _above(scores: np.ndarray, rank: int) -> float:
    """The smallest float above the `rank`-th largest score."""
    beaten = float(np.partition(scores, -rank)[-rank])
    return math.nextafter(beaten, math.inf)


def _in_words(rate: str, scheme: str, n: int, limit: float | None) -> str:
    made = SCHEMES[scheme]
    opening = "" if made.proven else "no finite-sample guarantee: "
    promise = f"{opening}{rate} of good parts like the {n} calibration pictures are rejected, on average over such sets"
    one_set = f"; with this set at most {percent(limit)} (95 % confidence)" if limit is not None else ""
    return f"{promise} ({made.words}){one_set}"


def _least_alpha(n: int) -> float:
    """The least alpha that n pictures can hold, rounded up to three digits."""
    digits = 2 + math.ceil(math.log10(n + 1))
    steps = int(10**digits)
    return math.ceil(steps / (n + 1)) / steps
