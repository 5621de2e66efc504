"""Every pair of methods on the same test pictures: which differences are real, and which are noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from iad.errors import IadError
from iad.metrics.image import auroc
from iad.report.inputs import Outcome
from iad.statistics.comparison import delong, holm, mcnemar


@dataclass(frozen=True)
class Comparison:
    """One question asked of two methods, and its answer.

    Attributes:
        method: the method with the higher AUROC.
        against: the other method.
        metric: `auroc`, `misses` or `false_alarms`.
        test: `delong` or `mcnemar`.
        difference: AUROC, or number of misses or false alarms, of `method` minus that of `against`.
        p: two-sided p value of this test alone.
        low: lower end of the interval of an AUROC difference.
        high: its upper end.
        only_method: for verdicts, pictures that `method` alone gets wrong.
        only_against: for verdicts, pictures that `against` alone gets wrong.
        p_holm: `p` after Holm's correction over all tests of the report.
        real: whether `p_holm` is at most 1 - confidence; if not, the difference may well be noise.
    """

    method: str
    against: str
    metric: str
    test: str
    difference: float
    p: float
    low: float | None = None
    high: float | None = None
    only_method: int | None = None
    only_against: int | None = None
    p_holm: float = 1.0
    real: bool = False


def compare_methods(outcomes: Sequence[Outcome], *, confidence: float) -> list[Comparison]:
    """Compare every pair of methods: AUROC by DeLong, misses and false alarms by McNemar's exact test.

    All tests of all pairs are one family for Holm's correction, so that the risk of calling any difference real by luck
    is at most 1 - confidence. Pairs stand in the order of their AUROC, the best method's first.

    Args:
        outcomes: of the methods, for the same pictures in the same order.
        confidence: in (0, 1).

    Returns:
        Up to three comparisons per pair; a test that needs pictures of a missing class is left out.

    Raises:
        IadError: if two methods were not tested on the same pictures.

    >>> none, labels = np.empty(0), np.array([1] * 8)
    >>> rejected = {"vit": labels == 1, "ae": labels == 0}  # one finds all eight defective pictures, the other none
    >>> outcomes = [
    ...     Outcome(labels, labels * 1.0, one, name, none, none, none, {}, {}) for name, one in rejected.items()
    ... ]
    >>> [(one.metric, one.only_against, one.p, one.real) for one in compare_methods(outcomes, confidence=0.95)]
    [('misses', 8, 0.0078125, True)]
    """
    _require_same_pictures(outcomes)
    ranked = sorted(outcomes, key=lambda outcome: auroc(outcome.gt_label, outcome.pred_score) or 0.0, reverse=True)
    found = [
        comparison
        for method, against in combinations(ranked, 2)
        for comparison in (*_of_scores(method, against, confidence), *_of_verdicts(method, against))
    ]
    adjusted = holm([comparison.p for comparison in found])
    return [
        replace(comparison, p_holm=_shortened(p), real=p <= round(1 - confidence, 12))
        for comparison, p in zip(found, adjusted, strict=True)
    ]


def _of_scores(method: Outcome, against: Outcome, confidence: float) -> Iterator[Comparison]:
    found = delong(method.gt_label, method.pred_score, against.pred_score, confidence=confidence)
    if found is not None:
        value, low, high = (round(number, 6) for number in (found.value, found.low, found.high))
        yield Comparison(method.method, against.method, "auroc", "delong", value, _shortened(found.p), low, high)


def _of_verdicts(method: Outcome, against: Outcome) -> Iterator[Comparison]:
    for metric, label in (("misses", 1), ("false_alarms", 0)):
        here = method.gt_label == label
        if here.any():
            wrong = [outcome.rejected[here] != bool(label) for outcome in (method, against)]
            found = mcnemar(*wrong)
            yield Comparison(
                method.method, against.method, metric, "mcnemar", found.only_a - found.only_b, _shortened(found.p),
                only_method=found.only_a, only_against=found.only_b,
            )  # fmt: skip


def _shortened(p: float) -> float:
    return float(f"{p:.6g}")


def _require_same_pictures(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes[1:]:
        same = np.array_equal(outcome.image_id, outcomes[0].image_id)
        if not (same and np.array_equal(outcome.gt_label, outcomes[0].gt_label)):
            raise IadError(
                f"{outcomes[0].method} and {outcome.method} were tested on other pictures or labels than each other; "
                "run `dvc repro` so that both score the same ones"
            )
