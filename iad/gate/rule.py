"""When is a difference between the results of two revisions a regression?

Each measure of each method is one `Check`: a loss (how much worse, as a share), a p value where a test applies, and
three bounds. The rule, in this order:

- a loss above `limit` fails, whatever the test says: with few pictures even a large loss is not significant;
- a loss above `tolerated` fails if it is significant;
- any other loss above `warned` is a warning;
- a significant loss below is tolerated, and told.

All p values of all methods are corrected together (Holm 1979), so that more methods do not mean more false failures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from iad.metrics.confusion import Verdicts
from iad.metrics.image import auroc, average_precision, both_classes
from iad.statistics.bootstrap import bootstrap_samples
from iad.statistics.comparison import Difference, delong, holm, mcnemar, paired_bootstrap

if TYPE_CHECKING:
    from iad.config import Gate

ROUNDING = 1e-9  # 0.05 as a difference of two floats may lie just above 0.05


class Ruling(StrEnum):
    """What a check found."""

    OK = "ok"
    BETTER = "better"
    TOLERATED = "tolerated"
    WARNING = "warning"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Check:
    """One measure of one method, before and after, as text for a table and as numbers for the rule.

    Attributes:
        method: its name.
        measure: what is compared.
        before: its value at the revision.
        after: its value now.
        change: after - before.
        evidence: interval, or pictures that changed, or what was promised.
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

    @property
    def beyond_limit(self) -> bool:
        """Whether the loss fails without a test.

        >>> small = Check("vit", "AUROC", "", "", "", "", 0.05, None, tolerated=0.01, warned=0.01, limit=0.05)
        >>> small.beyond_limit, Check(**{**vars(small), "loss": 0.06}).beyond_limit
        (False, True)
        """
        return self.loss - ROUNDING > self.limit


@dataclass(frozen=True)
class Finding:
    """A check, its p value after Holm's correction, whether that is significant, and the ruling."""

    check: Check
    adjusted_p: float | None
    significant: bool
    ruling: Ruling


def judge(checks: Sequence[Check], significance: float) -> list[Finding]:
    """Apply the rule of this module to all checks of all methods together; same order.

    Args:
        checks: of all methods.
        significance: chance that noise alone makes any of the tests significant, in (0, 1).

    >>> check = Check("vit", "AUROC", "0.9", "0.8", "-0.1", "", 0.1, 0.03, tolerated=0.01, warned=0.01, limit=0.2)
    >>> [str(finding.ruling) for finding in judge([check], 0.05)]
    ['FAIL']
    >>> [str(finding.ruling) for finding in judge([check, check], 0.05)]  # Holm: each p value counts twice
    ['warning', 'warning']
    """
    adjusted = iter(holm([check.p for check in checks if check.p is not None]))
    return [_finding(check, None if check.p is None else next(adjusted), significance) for check in checks]


def _finding(check: Check, p: float | None, significance: float) -> Finding:
    significant = p is not None and p <= significance
    return Finding(check, p, significant, _ruling(check, significant))


def _ruling(check: Check, significant: bool) -> Ruling:
    loss = check.loss - ROUNDING
    if check.beyond_limit or (significant and loss > check.tolerated):
        return Ruling.FAIL
    if loss > check.warned:
        return Ruling.WARNING
    if significant:
        return Ruling.TOLERATED if loss > 0 else Ruling.BETTER
    return Ruling.OK


def compare(method: str, before: Verdicts, after: Verdicts, options: Gate, *, draws: int, seed: int) -> list[Check]:
    """Compare what two revisions say about the same pictures; measures without their class are left out.

    Where nothing changed there is nothing to test, and no check: it would only cost the other tests power.

    Args:
        method: name for the checks.
        before: of the revision.
        after: of the same pictures in the same order, with the same labels.
        options: bounds of the checks, the section `gate` of `params.yaml`.
        draws: of the paired bootstrap behind AP and F1; 0 gives them neither interval nor test.
        seed: of the draws.

    >>> from iad.config import Gate
    >>> before = Verdicts(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]))
    >>> after = Verdicts(before.gt_label, np.array([0.1, 0.2, 0.3, 0.9]), np.array([False, False, False, True]))
    >>> *_, f1, misses, _ = compare("vit", before, after, Gate(), draws=0, seed=0)
    >>> f"{f1.measure}: {f1.before} -> {f1.after}", f"{misses.measure}: {misses.before} -> {misses.after}"
    ('F1: 1.000 -> 0.667', 'misses: 0 of 2 -> 1 of 2')
    """
    if before.equals(after):
        return []
    checks = _metrics(method, before, after, options, draws, seed) if both_classes(after.gt_label) else []
    for measure, label in (("misses", 1), ("false alarms", 0)):
        here = after.gt_label == label
        if here.any():
            # a verdict is wrong where a defective picture passes or a good one is rejected
            wrong = [verdicts.rejected[here] != bool(label) for verdicts in (before, after)]
            checks.append(_verdicts(method, measure, wrong[0], wrong[1], options))
    return checks


def relabelled_check(method: str, before: Verdicts, after: Verdicts, options: Gate) -> Check | None:
    """Compare AUROC on the same pictures, each revision with its own labels; None unless both have both classes.

    No paired test applies where labels changed, so that the limit alone can fail it.

    Args:
        method: name for the check.
        before: of the revision.
        after: of the same pictures, with other labels.
        options: bounds of the check.

    >>> from iad.config import Gate
    >>> before = Verdicts(np.array([0, 1]), np.array([0.1, 0.9]), np.array([False, True]))
    >>> after = Verdicts(1 - before.gt_label, before.pred_score, before.rejected)
    >>> found = relabelled_check("vit", before, after, Gate())
    >>> found.measure, found.change, found.p
    ('AUROC, own labels', '-1.0000', None)
    """
    former, now = (auroc(verdicts.gt_label, verdicts.pred_score) for verdicts in (before, after))
    if former is None or now is None:
        return None
    shown = (f"{former:.3f}", f"{now:.3f}", f"{now - former:+.4f}", "labels differ")
    return Check(method, "AUROC, own labels", *shown, former - now, None, *_bounds_of_ranking(options))


def _metrics(method: str, before: Verdicts, after: Verdicts, options: Gate, draws: int, seed: int) -> list[Check]:
    former, now = _point(before), _point(after)
    bootstrapped = _differences(before, after, former, now, draws, seed) if draws else {}
    tests: dict[str, Difference | None] = {
        "AUROC": delong(after.gt_label, after.pred_score, before.pred_score),
        **{name: bootstrapped.get(name) for name in ("AP", "F1")},
    }
    return [
        Check(
            method, name, f"{former[name]:.3f}", f"{now[name]:.3f}",
            f"{now[name] - former[name]:+.4f}", f"[{found.low:+.4f}, {found.high:+.4f}]" if found else "-",
            former[name] - now[name], _normal_p(found) if found else None,
            *(_bounds_of_verdicts(options) if name == "F1" else _bounds_of_ranking(options)),
        )
        for name, found in tests.items()
    ]  # fmt: skip


def _bounds_of_ranking(options: Gate) -> tuple[float, float, float]:
    return options.tolerated.ranking, options.tolerated.ranking, options.limit.ranking


def _bounds_of_verdicts(options: Gate) -> tuple[float, float, float]:
    return options.tolerated.verdicts, options.tolerated.verdicts, options.limit.verdicts


def _point(verdicts: Verdicts) -> dict[str, float]:
    labels, scores = verdicts.gt_label, verdicts.pred_score
    found = (auroc(labels, scores), average_precision(labels, scores), verdicts.confusion.f1)
    return {name: value or 0.0 for name, value in zip(("AUROC", "AP", "F1"), found, strict=True)}


def _differences(
    before: Verdicts, after: Verdicts, former: dict[str, float], now: dict[str, float], draws: int, seed: int
) -> dict[str, Difference]:
    first, second = (
        bootstrap_samples(after.gt_label, verdicts.pred_score, verdicts.rejected, draws=draws, seed=seed)
        for verdicts in (before, after)
    )
    return {
        name: paired_bootstrap(second[key], first[key], value=now[name] - former[name])
        for name, key in (("AP", "average_precision"), ("F1", "f1"))
    }


def _normal_p(found: Difference) -> float:
    # a share of draws cannot fall below 2 / (draws + 1), which Holm's correction over many methods would never pass
    return math.erfc(abs(found.value) / found.standard_error / math.sqrt(2)) if found.standard_error else found.p


def _verdicts(method: str, measure: str, before: np.ndarray, after: np.ndarray, options: Gate) -> Check:
    total, found = len(after), mcnemar(after, before)
    net = found.only_a - found.only_b
    return Check(
        method, measure, f"{int(before.sum())} of {total}", f"{int(after.sum())} of {total}", f"{net:+d}",
        f"{found.only_a} new, {found.only_b} gone", net / total, found.p, *_bounds_of_verdicts(options),
    )  # fmt: skip
