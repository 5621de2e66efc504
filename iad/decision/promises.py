"""What may be said about a threshold: how its calibration scores were made decides what can be promised.

A promise is about a *good* part that is exchangeable with the calibration pictures: taken the same way, of the same
product. `SCHEMES` says what each way of scoring calibration pictures out of sample allows:

- `split`, `held_out`: the detector never saw the calibration pictures, so a new good part and they are exchangeable.
- `leave_one_out`, for a score that can only fall when a picture joins the bank (the k nearest distances). Proof: let
  R_i be the score of part i against the other n of n + 1 parts, the new one included. The R are exchangeable, the new
  part's own score is R_{n+1}, and calibration, which lacks the new part in the bank, gave C_i >= R_i. So the p-value
  (1 + #{C_i >= R_{n+1}}) / (n + 1) is at least that of the R, which is valid.
- `jackknife`, `k_fold`: the detector changes with each picture left out in no known direction. Nothing is proven for
  them without assumptions (Barber, Candes, Ramdas, Tibshirani 2021, "Predictive inference with the jackknife+",
  section 2: the jackknife has no bound; the jackknife+, which keeps all n detectors, misses at most 2 alpha).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from iad.errors import IadError, unknown
from iad.words import counted, percent

CONFIDENCE = 0.95  # of every `rate_limit`
ESTIMATE = "an estimate and no proven bound"


@dataclass(frozen=True)
class Scheme:
    """How calibration scores came to be out of sample.

    Attributes:
        words: the same in words, for the guarantee.
        proven: the calibration scores are exchangeable with a new good part's, or higher.
        independent: given the detector, the calibration scores are independent, so one set can be judged by itself.
        more: where more calibration pictures come from.
    """

    words: str
    proven: bool
    independent: bool
    more: str


SCHEMES = {
    "split": Scheme(
        "pictures set apart for calibration",
        proven=True,
        independent=True,
        more="add good pictures to the calibration folder, or leave it out to calibrate on training pictures",
    ),
    "held_out": Scheme(
        "training pictures held out of the fit",
        proven=True,
        independent=True,
        more="add good training pictures, or hold a larger share out",
    ),
    "leave_one_out": Scheme(
        "nearest neighbours with each picture left out, which can only raise the threshold",
        proven=True,
        independent=False,
        more="add good training pictures",
    ),
    "jackknife": Scheme(
        "each picture left out of a detector that changes with it",
        proven=False,
        independent=False,
        more="add good training pictures",
    ),
    "k_fold": Scheme(
        "each fold left out of a detector that is fitted again",
        proven=False,
        independent=False,
        more="add good training pictures",
    ),
}

UNKNOWN_SCHEME = "jackknife"  # of scores whose making nobody wrote down: it proves nothing


@dataclass(frozen=True)
class Threshold:
    """A threshold and what may be said about it.

    Attributes:
        strategy: key of `STRATEGIES`.
        value: parts with `score >= value` are anomalous.
        n_calibration: number of good pictures it rests on.
        scheme: key of `SCHEMES`.
        promised_rate: probability that a new good part is rejected, over the choice of calibration pictures, in (0, 1);
            an upper bound of it where `guaranteed`, else the rate that is aimed at.
        guaranteed: whether `promised_rate` is proven for every distribution of scores.
        rate_limit: share of good parts that *this* threshold rejects at most, with 95 % confidence; None where nothing
            is known.
        guarantee: the promise in words.
        warnings: why the promise is weak here.
        diagnostics: numbers behind the threshold, of the strategies that fit something.
    """

    strategy: str
    value: float
    n_calibration: int
    scheme: str
    promised_rate: float
    guaranteed: bool
    rate_limit: float | None
    guarantee: str
    warnings: tuple[str, ...] = ()
    diagnostics: dict[str, Any] = field(default_factory=dict)


def shared_scheme(schemes: Iterable[Any], origin: str) -> str:
    """The one scheme by which all calibration scores, or maps, of a method were made.

    Args:
        schemes: of each calibration picture.
        origin: where they come from; a refusal begins with it.

    Raises:
        IadError: if they name several schemes, none, or one that is unknown.

    >>> shared_scheme(["split", "split"], "here")
    'split'
    """
    found = sorted({str(scheme) for scheme in schemes})
    if len(found) != 1:
        raise IadError(
            f"{origin}: {len(found)} schemes of calibration instead of one; run `dvc repro` to write it again"
        )
    if found[0] not in SCHEMES:
        raise IadError(f"{origin}: {unknown('scheme of calibration', found[0], SCHEMES)}")
    return found[0]


def ranks_within(alpha: float, n: int) -> int:
    """How many of the n + 1 equally likely ranks of a new good score have a p-value of at most `alpha`, in [0, n].

    It is `floor(alpha (n + 1))`, found by comparing p-values as they are computed, so that no product rounds a rank
    away, as 0.29 x 100 does, and a threshold agrees with the p-values of `iad.decision.conformal`.

    >>> ranks_within(0.05, 19), ranks_within(0.05, 18), ranks_within(0.29, 99)
    (1, 0, 29)
    """
    ranks = min(math.floor(alpha * (n + 1)), n)
    if ranks < n and (ranks + 1) / (n + 1) <= alpha:
        return ranks + 1
    return ranks - 1 if ranks / (n + 1) > alpha else ranks


def pictures_needed(alpha: Fraction | float) -> int:
    """Fewest calibration pictures with which a proven false-alarm rate of `alpha` can be held at all: 1/alpha - 1.

    >>> pictures_needed(0.05), pictures_needed(0.01)
    (19, 99)
    """
    share = alpha if isinstance(alpha, Fraction) else exact(alpha)
    needed = math.ceil(1 / share) - 1
    return needed - 1 if needed and 1 / needed <= alpha else needed  # an alpha such as 1/3 is rounded to binary


def pictures_for_maximum(alpha: float) -> int:
    """Fewest independent good scores whose maximum rejects at most a share `alpha` with 95 % confidence.

    >>> [pictures_for_maximum(alpha) for alpha in (0.1, 0.05, 0.02, 0.01)]
    [29, 59, 149, 299]
    """
    return math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-alpha))


def upper_rate_limit(n: int, rejected: int) -> float:
    """Upper 95 % limit of the share of good parts above the `rejected + 1`-th largest of n independent good scores.

    For continuous scores that share follows Beta(rejected + 1, n - rejected), whose quantile this is; ties can only
    make it smaller. (It is the limit of Clopper and Pearson 1934 for `rejected` of n.)

    Args:
        n: number of calibration scores.
        rejected: how many of them the threshold rejects, in [0, n).

    >>> round(upper_rate_limit(59, 0), 4), round(1 - 0.05 ** (1 / 59), 4)
    (0.0495, 0.0495)
    """
    from scipy.special import betaincinv

    return float(betaincinv(rejected + 1, n - rejected, CONFIDENCE))


def in_words(rate: float, scheme: str, n: int, limit: float | None, *, fate: str = "are rejected") -> str:
    """What a rate promises where calibration scores were made in this way, in one line.

    Args:
        rate: probability over the choice of calibration pictures, in (0, 1).
        scheme: key of `SCHEMES`; where it proves nothing, the line says so.
        n: number of calibration pictures.
        limit: upper limit of the rate with this very set, with 95 % confidence; None where nothing is known.
        fate: what happens to so many good parts.

    >>> in_words(0.05, "split", 99, None)
    'at most 5 % of good parts like the 99 calibration pictures are rejected, on average over such sets (pictures set \
apart for calibration)'
    """
    made = SCHEMES[scheme]
    opening, proof = ("at most", "") if made.proven else ("about", f", {ESTIMATE}")
    like = f"good parts like the {counted(n, 'calibration picture')}"
    one_set = f"; with this set at most {percent(limit)} (95 % confidence)" if limit is not None else ""
    return f"{opening} {percent(rate)} of {like} {fate}, on average over such sets{proof} ({made.words}){one_set}"


def exact(value: float) -> Fraction:
    """The decimal number that a person wrote, without its rounding to binary.

    >>> int(exact(0.29) * 100), int(0.29 * 100)
    (29, 28)
    """
    return Fraction(repr(float(value)))
