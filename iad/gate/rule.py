"""When is a difference between the results of two revisions a regression?

Each measure of each method is one `Check`: a loss (how much worse, as a share), a p value where a test applies, and
three bounds. The rule, in this order:

- a loss above `limit` fails, whatever the test says: with few pictures even a large loss is not significant;
- a loss above `tolerated` fails if it is significant, and is a warning if it is not;
- a significant loss below `tolerated` is tolerated, and told.

All p values of all methods are corrected together (Holm 1979), so that more methods do not mean more false failures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from iad.gate.promise import excess_p
from iad.metrics.image import auroc, average_precision, both_classes, confusion
from iad.statistics.bootstrap import bootstrap_samples
from iad.statistics.comparison import Difference, delong, holm, mcnemar, paired_bootstrap
from iad.statistics.pictures import Pictures

ROUNDING = 1e-9  # 0.05 as a difference of two floats may lie just above 0.05


class Ruling(StrEnum):
    """What a check found."""

    OK = "ok"
    BETTER = "better"
    TOLERATED = "tolerated"
    WARNING = "warning"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Tolerances:
    """Bounds on losses, as shares: of AUROC and AP (`ranking`), and of verdicts (F1, misses, false alarms).

    Attributes:
        significance: chance that noise alone fails any of the tests.
        ranking: loss of AUROC or AP that is tolerated even where it is significant.
        verdicts: the same for F1, and for the shares of missed and of falsely rejected pictures.
        ranking_limit: loss of AUROC or AP that fails without a test.
        verdicts_limit: the same for verdicts.
    """

    significance: float
    ranking: float
    verdicts: float
    ranking_limit: float
    verdicts_limit: float


@dataclass(frozen=True)
class Check:
    """One measure of one method, before and after, as text for a table and as numbers for the rule.

    Attributes:
        method: its name.
        measure: what is compared.
        before: its value at the revision.
        after: its value now.
        change: after - before.
        evidence: interval, or pictures that changed.
        loss: how much worse, as a share; negative = better.
        p: of "no loss", None where there is no test.
        tolerated: a significant loss above it fails.
        warned: a loss above it that does not fail is a warning.
        limit: a loss above it fails.
    """

    method: str
    measure: str
    before: str
    after: str
    change: str
    evidence: str
    loss: float
    p: float | None
    tolerated: float
    warned: float
    limit: float


@dataclass(frozen=True)
class Finding:
    """A check, its p value after Holm's correction, and the ruling."""

    check: Check
    adjusted_p: float | None
    ruling: Ruling


def judge(checks: Sequence[Check], significance: float) -> list[Finding]:
    """Apply the rule of this module to all checks of all methods together; same order.

    >>> check = Check("vit", "AUROC", "0.9", "0.8", "-0.1", "", 0.1, 0.3, tolerated=0.01, warned=0.01, limit=0.2)
    >>> [str(finding.ruling) for finding in judge([check], 0.05)]
    ['warning']
    """
    adjusted = iter(holm([check.p for check in checks if check.p is not None]))
    p_values = [None if check.p is None else next(adjusted) for check in checks]
    return [Finding(check, p, _ruling(check, p, significance)) for check, p in zip(checks, p_values, strict=True)]


def _ruling(check: Check, p: float | None, significance: float) -> Ruling:
    loss, significant = check.loss - ROUNDING, p is not None and p <= significance
    if loss > check.limit or (significant and loss > check.tolerated):
        return Ruling.FAIL
    if loss > check.warned:
        return Ruling.WARNING
    if significant:
        return Ruling.TOLERATED if loss > 0 else Ruling.BETTER
    return Ruling.OK


def compare(
    method: str, before: Pictures, after: Pictures, tolerances: Tolerances, *, draws: int, seed: int
) -> list[Check]:
    """Compare what two revisions say about the same pictures; measures without their class are left out.

    Where nothing changed there is nothing to test, and no check: it would only cost the other tests power.

    Args:
        method: name for the checks.
        before: of the revision.
        after: of the same pictures in the same order, with the same labels.
        tolerances: bounds of the checks.
        draws: of the paired bootstrap behind AP and F1; 0 gives them neither interval nor test.
        seed: of the draws.
    """
    if before.equals(after):
        return []
    checks = _metrics(method, before, after, tolerances, draws, seed) if both_classes(after.labels) else []
    for measure, label in (("misses", 1), ("false alarms", 0)):
        here = after.labels == label
        if here.any():
            # a verdict is wrong where a defective picture passes or a good one is rejected
            wrong = [pictures.rejected[here] != bool(label) for pictures in (before, after)]
            checks.append(_verdicts(method, measure, wrong[0], wrong[1], tolerances))
    return checks


def promise_check(
    method: str,
    before: Pictures,
    after: Pictures,
    tolerances: Tolerances,
    *,
    promised_rate: float,
    n_calibration: int | None,
) -> Check | None:
    """Set the realised false-alarm rate against the promised one; None without a good picture.

    Any significant excess fails; one that is not significant is a warning if it passes the tolerance of verdicts.

    Args:
        method: name for the check.
        before: all pictures of the revision, to show what the rate was.
        after: all pictures now.
        tolerances: bounds of the check.
        promised_rate: probability that a good part is rejected, in (0, 1).
        n_calibration: good pictures behind the threshold, None where unknown.
    """
    good = int((after.labels == 0).sum())
    if not good:
        return None
    false_alarms = int((after.rejected & (after.labels == 0)).sum())
    former = confusion(before.labels, before.rejected).false_alarm_rate
    excess = false_alarms / good - promised_rate
    return Check(
        method, "promise",
        before="-" if former is None else f"{100 * former:.1f} %",
        after=f"{100 * false_alarms / good:.1f} %",
        change=f"{100 * excess:+.1f} points",
        evidence=f"promised {100 * promised_rate:.3g} %" + (f" from {n_calibration}" if n_calibration else ""),
        loss=excess, p=excess_p(false_alarms, good, promised_rate, n_calibration),
        tolerated=0.0, warned=tolerances.verdicts, limit=math.inf,
    )  # fmt: skip


def relabelled_check(method: str, before: Pictures, after: Pictures, tolerances: Tolerances) -> Check | None:
    """Compare AUROC on the same pictures, each revision with its own labels; None unless both have both classes.

    No paired test applies where labels changed, so that the limit alone can fail it.
    """
    values = [auroc(pictures.labels, pictures.scores) for pictures in (before, after)]
    if values[0] is None or values[1] is None:
        return None
    text = (
        "AUROC, own labels",
        f"{values[0]:.3f}",
        f"{values[1]:.3f}",
        f"{values[1] - values[0]:+.4f}",
        "labels differ",
    )
    loss, bounds = values[0] - values[1], (tolerances.ranking, tolerances.ranking, tolerances.ranking_limit)
    return Check(method, *text, loss, None, *bounds)


def _metrics(
    method: str, before: Pictures, after: Pictures, tolerances: Tolerances, draws: int, seed: int
) -> list[Check]:
    labels, values = after.labels, [_point(before), _point(after)]
    bootstrapped = _differences(before, after, values, draws, seed) if draws else {}
    tests: dict[str, Difference | None] = {
        "AUROC": delong(labels, after.scores, before.scores),
        **{name: bootstrapped.get(name) for name in ("AP", "F1")},
    }
    ranking = (tolerances.ranking, tolerances.ranking, tolerances.ranking_limit)
    verdicts = (tolerances.verdicts, tolerances.verdicts, tolerances.verdicts_limit)
    return [
        Check(
            method, name, f"{values[0][name]:.3f}", f"{values[1][name]:.3f}",
            f"{values[1][name] - values[0][name]:+.4f}", f"[{found.low:+.4f}, {found.high:+.4f}]" if found else "-",
            values[0][name] - values[1][name], _normal_p(found) if found else None,
            *(verdicts if name == "F1" else ranking),
        )
        for name, found in tests.items()
    ]  # fmt: skip


def _point(pictures: Pictures) -> dict[str, float]:
    labels, scores = pictures.labels, pictures.scores
    found = (auroc(labels, scores), average_precision(labels, scores), confusion(labels, pictures.rejected).f1)
    return {name: value or 0.0 for name, value in zip(("AUROC", "AP", "F1"), found, strict=True)}


def _differences(
    before: Pictures, after: Pictures, values: Sequence[dict[str, float]], draws: int, seed: int
) -> dict[str, Difference]:
    first, second = (
        bootstrap_samples(after.labels, pictures.scores, pictures.rejected, draws=draws, seed=seed)
        for pictures in (before, after)
    )
    return {
        name: paired_bootstrap(second[key], first[key], value=values[1][name] - values[0][name])
        for name, key in (("AP", "average_precision"), ("F1", "f1"))
    }


def _normal_p(found: Difference) -> float:
    # a share of draws cannot fall below 2 / (draws + 1), which Holm's correction over many methods would never pass
    return math.erfc(abs(found.value) / found.standard_error / math.sqrt(2)) if found.standard_error else found.p


def _verdicts(method: str, measure: str, before: np.ndarray, after: np.ndarray, tolerances: Tolerances) -> Check:
    total, found = len(after), mcnemar(after, before)
    net = found.only_a - found.only_b
    return Check(
        method, measure, f"{int(before.sum())} of {total}", f"{int(after.sum())} of {total}", f"{net:+d}",
        f"{found.only_a} new, {found.only_b} gone", net / total, found.p,
        tolerances.verdicts, tolerances.verdicts, tolerances.verdicts_limit,
    )  # fmt: skip
