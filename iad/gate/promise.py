"""Does a threshold keep what it promises? Judged by what was promised, and against the revision before.

What can be concluded from the false alarms on one test set depends on how the calibration scores were made
(`iad.decision.promises`). In all three cases m is the number of good test pictures, V the number of those rejected, n
the number of calibration pictures, and the promise is a rate: that of a new good picture *on average over calibration
sets*.

1. `split`, `held_out`: the detector saw neither calibration nor test pictures, so that the n + m scores of good
   pictures are exchangeable, and every order of them is equally likely. The threshold is the k-th largest of n, so V
   follows the beta-binomial law with k and n + 1 - k: `beta_binomial_p`. It needs no independence, and covers that one
   calibration set may be unlucky (Vovk 2012, "Conditional validity of inductive conformal predictors"; Marques F. 2023,
   "Universal distribution of the empirical coverage in split conformal prediction", arXiv:2303.02770).

2. `leave_one_out`: proven for one new picture, so that E[V] <= rate * m, and for no more. The calibration scores depend
   on each other through the memory bank, each being a distance to all others, and the beta-binomial law does not hold.
   Take good pictures that come as twins, each much nearer to its twin than to any other picture, one neighbour, and a
   threshold above all calibration scores, which promises 1 / (n + 1). If the two test pictures are twins, both are
   rejected, for each calibration picture has its own twin near; if not, neither is. So P(V = 2) = 1 / (n + 1), where
   the beta-binomial law says 2 / ((n + 1) (n + 2)). What one may hope of stable detectors aside, no law of the rate of
   one calibration set holds where every picture both makes the detector and calibrates it (Bian and Barber 2023,
   "Training-conditional coverage for distribution-free predictive inference", arXiv:2205.03647). Left is Markov's
   inequality, P(V >= v) <= rate * m / v: `mean_rate_p`. The twins reach it, so no smaller bound holds. It is a weak
   test, as it must be: one calibration set says little of an average over all. To have a promise that a test can hold
   to account, calibrate on pictures set apart.

3. Thresholds that promise nothing (`guaranteed` is false) aim at a rate, and there is nothing to test. The excess is
   told, and no more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from iad.decision.promises import SCHEMES
from iad.gate.rule import Check
from iad.words import percent

if TYPE_CHECKING:
    from iad.config import Gate
    from iad.gate.results import MethodResults

MEASURE = "promise"


@dataclass(frozen=True)
class Promise:
    """What a threshold says of the good pictures that it rejects.

    Attributes:
        rate: probability that a good picture is rejected, in (0, 1), on average over calibration sets.
        guaranteed: whether the rate is proven; if not, it is aimed at.
        exchangeable: whether calibration scores and those of new good pictures are exchangeable, all together.
        n_calibration: good pictures behind the threshold; None where it is not recorded.
    """

    rate: float
    guaranteed: bool
    exchangeable: bool
    n_calibration: int | None

    @classmethod
    def of_record(cls, threshold: Mapping[str, Any]) -> Promise | None:
        """Read it from the record of a threshold; None where that holds no rate. What it does not say is not promised.

        >>> Promise.of_record({"promised_rate": 0.05, "guaranteed": True, "scheme": "held_out", "n_calibration": 82})
        Promise(rate=0.05, guaranteed=True, exchangeable=True, n_calibration=82)
        >>> Promise.of_record({"promised_rate": 0.05}).guaranteed
        False
        """
        rate, n = threshold.get("promised_rate"), threshold.get("n_calibration")
        if not isinstance(rate, float) or not 0 < rate < 1:
            return None
        scheme = SCHEMES.get(str(threshold.get("scheme")))
        independent = scheme is not None and scheme.independent and isinstance(n, int)
        return cls(rate, threshold.get("guaranteed") is True, independent, n if isinstance(n, int) else None)

    def p(self, false_alarms: int, good: int) -> float | None:
        """Greatest probability of so many false alarms or more if the promise is kept; None where none is made.

        Args:
            false_alarms: rejected good test pictures, in [0, good].
            good: good test pictures.

        >>> held_out = Promise(0.05, guaranteed=True, exchangeable=True, n_calibration=82)
        >>> leave_one_out = Promise(0.05, guaranteed=True, exchangeable=False, n_calibration=82)
        >>> round(held_out.p(30, 177), 5), round(leave_one_out.p(30, 177), 3)
        (0.00164, 0.295)
        """
        if not self.guaranteed:
            return None
        if self.exchangeable and self.n_calibration is not None:
            return beta_binomial_p(false_alarms, good, self.rate, self.n_calibration)
        return mean_rate_p(false_alarms, good, self.rate)

    def __str__(self) -> str:
        """As the table of the gate shows it."""
        made = f" from {self.n_calibration}" if self.n_calibration else ""
        return f"{'promised' if self.guaranteed else 'aimed at'} {percent(self.rate)}{made}"


def beta_binomial_p(false_alarms: int, good: int, promised_rate: float, n_calibration: int) -> float:
    """P(V >= false_alarms) where the scores of all good pictures are exchangeable; case 1 of this module.

    A rate that is no multiple of 1 / (n + 1), as 5 % of 83, is a little more than the threshold needs, so that k is no
    whole number and the test a little cautious. A binomial test would take the threshold as exact and, with 82
    calibration and 177 test pictures, call one kept promise in six broken.

    The terms are summed by hand, since `scipy.stats.betabinom.sf` is 1 minus the other tail, which is 0 below 1e-16,
    and importing `scipy.stats` takes longer than all of the gate.

    Args:
        false_alarms: rejected good test pictures, in [0, good].
        good: good test pictures.
        promised_rate: in (0, 1).
        n_calibration: good pictures behind the threshold.

    Returns:
        One-sided p value in [0, 1].

    >>> round(beta_binomial_p(1, 1, 0.05, 19), 12)  # one picture: the promise itself
    0.05
    >>> round(beta_binomial_p(2, 2, 0.05, 19), 6)  # both of two: 2 / (20 * 21)
    0.004762
    """
    if false_alarms <= 0:
        return 1.0
    from scipy.special import betaln

    a, b = promised_rate * (n_calibration + 1), (1 - promised_rate) * (n_calibration + 1)
    counts = np.arange(false_alarms, good + 1)
    log_choices = -betaln(counts + 1, good - counts + 1) - math.log(good + 1)
    return min(1.0, float(np.exp(log_choices + betaln(a + counts, b + good - counts) - betaln(a, b)).sum()))


def mean_rate_p(false_alarms: int, good: int, promised_rate: float) -> float:
    """Bound of P(V >= false_alarms) where the mean rate alone is known (Markov); case 2 of this module.

    Args:
        false_alarms: rejected good test pictures, in [0, good].
        good: good test pictures.
        promised_rate: in (0, 1).

    Returns:
        One-sided p value in [promised_rate, 1].

    >>> mean_rate_p(20, 100, 0.05), mean_rate_p(100, 100, 0.05), mean_rate_p(0, 100, 0.05)
    (0.25, 0.05, 1.0)
    """
    return min(1.0, promised_rate * good / false_alarms) if false_alarms > 0 else 1.0


def promise_check(method: str, before: MethodResults | None, after: MethodResults, options: Gate) -> Check | None:
    """Set the realised false-alarm rate against the promised one.

    A significant excess over a proven rate fails if the revision kept its promise. An excess that the revision had
    already fails only if it grew by more than `options.tolerated.verdicts`, so that an old miss is not the fault of
    every later change. What does not fail is a warning above that bound.

    Args:
        method: name for the check.
        before: what the revision left of it; None where it lacks the method.
        after: what lies here.
        options: the section `gate` of `params.yaml`.

    Returns:
        None where the threshold here records no rate, or no test picture is good.

    >>> import pandas as pd
    >>> from iad.config import Gate
    >>> from iad.gate.results import MethodResults
    >>> scores = pd.DataFrame({"label": [0] * 20, "score": np.arange(20.0), "rejected": [True] * 2 + [False] * 18})
    >>> record = {"promised_rate": 0.05, "guaranteed": True, "scheme": "split", "n_calibration": 19}
    >>> found = promise_check("vit", None, MethodResults(scores, {}, record), Gate())
    >>> found.after, found.change, found.evidence
    ('10.0 %', '+5.0 points', 'promised 5 % from 19')
    """
    promise, counts = Promise.of_record(after.threshold), after.verdicts.confusion
    rate = counts.false_alarm_rate
    if promise is None or rate is None:
        return None
    former = before.verdicts.confusion.false_alarm_rate if before else None
    old_excess, slack = 0.0, options.tolerated.verdicts
    if before is not None and former is not None:
        old_excess = former - (Promise.of_record(before.threshold) or promise).rate
    return Check(
        method, MEASURE,
        before="-" if former is None else f"{100 * former:.1f} %",
        after=f"{100 * rate:.1f} %",
        change=f"{100 * (rate - promise.rate):+.1f} points",
        evidence=str(promise),
        loss=rate - promise.rate, p=promise.p(counts.false_positives, counts.normal),
        tolerated=old_excess + slack if old_excess > 0 else 0.0, warned=slack, limit=math.inf,
    )  # fmt: skip
