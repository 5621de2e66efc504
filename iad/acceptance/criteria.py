"""A study held against stated criteria: good, accepted with conditions, not reached, or not shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from iad.acceptance import Criteria
from iad.acceptance.agreement import AgainstReference, Agreement, Share
from iad.acceptance.counts import parts_needed, rate_shown
from iad.acceptance.gauge import GRR, Gauge
from iad.acceptance.kappa import Kappa
from iad.words import percent

Ruling: TypeAlias = Literal["met", "with conditions", "not met", "not shown"]

ACCEPTED, CONDITIONAL, REFUSED = "accepted", "accepted with conditions", "not accepted"


@dataclass(frozen=True)
class Check:
    """One criterion.

    Attributes:
        name: what is asked.
        stated: the limits, in words.
        found: what the study has.
        ruling: whether that is enough; `not shown` where the study cannot tell, which is not enough either.
    """

    name: str
    stated: str
    found: str
    ruling: Ruling


def checks(criteria: Criteria, gauge: Gauge, agreement: Agreement) -> tuple[Check, ...]:
    """Every criterion in turn.

    Args:
        criteria: what is asked; `missed` and `false_alarms` need a reference.
        gauge: of the scores.
        agreement: of the verdicts.
    """
    against = agreement.together.reference
    rates = () if against is None else _rates(criteria, against)
    return (*_spread(criteria, gauge), *_kappas(criteria, agreement), *rates)


def verdict(found: Sequence[Check]) -> str:
    """What the rulings come to: the worst of them.

    >>> verdict([Check("a", "", "", "met"), Check("b", "", "", "with conditions")])
    'accepted with conditions'
    """
    rulings = {one.ruling for one in found}
    if rulings & {"not met", "not shown"}:
        return REFUSED
    return CONDITIONAL if "with conditions" in rulings else ACCEPTED


def _spread(criteria: Criteria, gauge: Gauge) -> Iterator[Check]:
    good, most = criteria.grr
    stated = f"at most {good:g} %, with conditions {most:g} %"
    one = gauge.components[GRR]
    yield Check("%GRR, of study variation", stated, percent(one.study), _up_to(100 * one.study, good, most))
    if one.tolerance is not None:
        yield Check("%GRR, of tolerance", stated, percent(one.tolerance), _up_to(100 * one.tolerance, good, most))
    least = f"at least {criteria.ndc}"
    if gauge.ndc is None:
        yield Check("distinct categories", least, "no repetition differs", "met")
    else:
        yield Check("distinct categories", least, str(gauge.ndc), "met" if gauge.ndc >= criteria.ndc else "not met")


def _kappas(criteria: Criteria, agreement: Agreement) -> Iterator[Check]:
    """The lowest among appraisers: against the reference where there is one, and each with itself."""
    good, least = criteria.kappa
    stated = f"at least {good:g}, with conditions {least:g}"
    kinds = {
        "kappa, repetitions": [one.within for one in agreement.appraisers],
        "kappa, with the reference": [one.reference.kappa for one in agreement.appraisers if one.reference],
    }
    for name, found in kinds.items():
        if found:
            lowest = min(found, key=lambda one: float("-inf") if one.value is None else one.value)
            yield Check(name, stated, kappa_text(lowest), _from(lowest.value, good, least))


def _rates(criteria: Criteria, against: AgainstReference) -> Iterator[Check]:
    asked = (
        ("missed parts", "defective parts missed", criteria.missed, against.missed),
        ("false alarms", "good parts rejected", criteria.false_alarms, against.false_alarms),
    )
    for name, what, limit, share in asked:
        if limit is None:
            continue
        stated = f"at most {limit:g} % of {what}"
        if not share.total:
            yield Check(name, stated, "no such part", "not shown")
            continue
        shown = rate_shown(share.count, share.total, criteria.confidence)
        found = f"at most {percent(shown)} shown ({share.count} of {share.total})"
        if 100 * shown <= limit:
            yield Check(name, stated, found, "met")
        elif share.interval is not None and 100 * share.count / share.total > limit:
            yield Check(name, stated, found, "not met")
        else:
            needed = parts_needed(limit / 100, criteria.confidence, share.count)
            yield Check(name, stated, f"{found}; takes {needed:,} parts", "not shown")


def kappa_text(kappa: Kappa) -> str:
    """A kappa with its interval.

    >>> kappa_text(Kappa(0.8786, 0.7912, 0.966)), kappa_text(Kappa(None))
    ('0.88 [0.79, 0.97]', 'none (all alike)')
    """
    if kappa.value is None:
        return "none (all alike)"
    return f"{kappa.value:.2f}" + ("" if kappa.low is None else f" [{kappa.low:.2f}, {kappa.high:.2f}]")


def share_text(share: Share) -> str:
    """A share of parts with its interval.

    >>> import numpy as np
    >>> share_text(Share.of(np.array([True] * 9 + [False]), 0.95)), share_text(Share.of(np.array([], bool), 0.95))
    ('9 of 10 [55.5 %, 99.7 %]', 'of none')
    """
    if share.interval is None:
        return "of none"
    return f"{share.count} of {share.total} [{percent(share.interval.low)}, {percent(share.interval.high)}]"


def _up_to(value: float, good: float, most: float) -> Ruling:
    return "met" if value <= good else "with conditions" if value <= most else "not met"


def _from(value: float | None, good: float, least: float) -> Ruling:
    if value is None:
        return "not shown"
    return "met" if value >= good else "with conditions" if value >= least else "not met"
