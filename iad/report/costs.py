"""The costs of verdicts in the report: rates from the test pictures, prices and the defect rate from `params.yaml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from iad.decision.costs import (
    OperatingPoint,
    Prices,
    cheapest,
    expected_cost,
    operating_point,
    reject_everything,
    ship_everything,
)
from iad.metrics.curves import operating_points
from iad.metrics.image import both_classes
from iad.report import Costs
from iad.report.inputs import Outcome
from iad.report.summary import Summary
from iad.statistics.bootstrap import interval_of_rates

DEPLOYED = "set on good pictures alone"
ORACLE = "chosen on the test labels under the false-alarm limit: a bound, not a threshold to deploy"
UNDEFINED_RATE = "costs.defect_rate is {:g}, so costs are left out; give the share of defective parts, between 0 and 1"


def prices_of(costs: Costs, outcomes: Sequence[Outcome]) -> Prices | None:
    """The prices, or None where there is no cost: a line or a test set without good or without defective parts.

    >>> import numpy as np
    >>> none, labels = np.empty(0), np.array([0, 1])
    >>> outcome = Outcome(labels, labels * 1.0, labels == 1, "vit", none, none, none, {}, {})
    >>> prices_of(Costs(miss=10, false_alarm=1, defect_rate=0.02), [outcome])
    Prices(miss=10.0, false_alarm=1.0, defect_rate=0.02)
    >>> prices_of(Costs(defect_rate=0), [outcome]) is None
    True
    """
    if not (0 < costs.defect_rate < 1 and both_classes(outcomes[0].gt_label)):
        return None
    return Prices(miss=costs.miss, false_alarm=costs.false_alarm, defect_rate=costs.defect_rate)


def costs_note(costs: Costs) -> str | None:
    """The line that says why there are no costs, where the defect rate is the reason.

    >>> costs_note(Costs(defect_rate=0.02)) is None, costs_note(Costs(defect_rate=0))
    (True, 'costs.defect_rate is 0, so costs are left out; give the share of defective parts, between 0 and 1')
    """
    return None if 0 < costs.defect_rate < 1 else UNDEFINED_RATE.format(costs.defect_rate)


def costs_of(
    outcomes: Sequence[Outcome],
    summaries: Mapping[str, Summary],
    prices: Prices | None,
    max_false_alarm_rate: float,
    confidence: float,
) -> dict[str, Any] | None:
    """The part of the report about costs: the prices, the trivial strategies, and each method's operating points."""
    if prices is None:
        return None
    methods = {}
    for outcome in outcomes:
        point = deployed(outcome, prices)
        interval = interval_of_rates(
            lambda recall, alarms: expected_cost(recall, alarms, prices),
            summaries[outcome.method].samples, outcome.gt_label, outcome.rejected, confidence=confidence,
        )  # fmt: skip
        methods[outcome.method] = {
            "deployed": _rounded(point) | {
                "cost_interval": interval and [round(interval.low, 4), round(interval.high, 4)],
                "cost_interval_method": interval and interval.method,
                "within_limit": point.false_alarm_rate <= max_false_alarm_rate,
                "note": DEPLOYED,
            },
            "cheapest": _rounded(_cheapest(outcome, prices, max_false_alarm_rate)) | {"note": ORACLE},
        }  # fmt: skip
    return {
        "per_parts": 1000,
        **asdict(prices),
        "max_false_alarm_rate": max_false_alarm_rate,
        "ship_everything": round(ship_everything(prices), 4),
        "reject_everything": round(reject_everything(prices), 4),
        "methods": methods,
    }


def deployed(outcome: Outcome, prices: Prices) -> OperatingPoint:
    """The threshold in use, and what it does to 1,000 parts of the line.

    >>> import numpy as np
    >>> none, labels = np.empty(0), np.array([0, 0, 1, 1])
    >>> rejected = np.array([False, True, True, True])  # half of the good parts, and every defective one
    >>> outcome = Outcome(labels, labels * 1.0, rejected, "vit", none, none, none, {"value": 0.5}, {})
    >>> point = deployed(outcome, Prices(miss=10, false_alarm=1, defect_rate=0.5))
    >>> point.escapes, point.overkill, point.cost
    (0.0, 250.0, 250.0)
    """
    counts = outcome.confusion
    return operating_point(outcome.threshold["value"], counts.recall or 0.0, counts.false_alarm_rate or 0.0, prices)


def _cheapest(outcome: Outcome, prices: Prices, limit: float) -> OperatingPoint | None:
    points = operating_points(outcome.gt_label, outcome.pred_score)
    return cheapest(points.thresholds, points.y, points.x, prices, limit) if points else None


def _rounded(point: OperatingPoint | None) -> dict[str, Any]:
    found = asdict(point) if point else {}
    return {name: value if name == "threshold" else round(value, 6) for name, value in found.items()}
