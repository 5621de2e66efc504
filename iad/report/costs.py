"""What `evaluate` writes about costs: rates from the test pictures, prices and the defect rate from `params.yaml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from iad.config import Costs
from iad.decision.costs import (
    OperatingPoint,
    Prices,
    cheapest,
    expected_cost,
    operating_point,
    reject_everything,
    ship_everything,
)
from iad.metrics.curves import Curve, operating_points
from iad.metrics.image import both_classes
from iad.report.figures.costs import CostLine, cost_curves, no_costs
from iad.report.outcome import Outcome
from iad.report.rows import Rows
from iad.report.summary import Summary
from iad.statistics.bootstrap import interval_of_rates

DEPLOYED = "set on good pictures alone"
ORACLE = "chosen on the test labels under the false-alarm limit: a bound, not a threshold to deploy"
HEADER = ("method", "threshold", "false_alarm_rate", "recall", "cost_per_1000")
UNDEFINED_RATE = "costs.defect_rate is {:g}, so costs are left out; give the share of defective parts, between 0 and 1"


def prices_of(costs: Costs, outcomes: Sequence[Outcome]) -> Prices | None:
    """The prices, or None where there is no cost: a line or a test set without good or without defective parts."""
    if not (0 < costs.defect_rate < 1 and both_classes(outcomes[0].labels)):
        return None
    return Prices(miss=costs.miss, false_alarm=costs.false_alarm, defect_rate=costs.defect_rate)


def costs_note(costs: Costs) -> str | None:
    """The line that says why there are no costs, where the defect rate is the reason."""
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
        deployed = _deployed(outcome, prices)
        interval = interval_of_rates(
            lambda recall, alarms: expected_cost(recall, alarms, prices),
            summaries[outcome.method].samples, outcome.labels, outcome.rejected, confidence=confidence,
        )  # fmt: skip
        methods[outcome.method] = {
            "deployed": _rounded(deployed) | {
                "cost_interval": interval and [round(interval.low, 4), round(interval.high, 4)],
                "cost_interval_method": interval and interval.method,
                "within_limit": deployed.false_alarm_rate <= max_false_alarm_rate,
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


def cost_rows(roc: Mapping[str, Curve], prices: Prices | None) -> Rows:
    """Cost per 1,000 parts at the points of each ROC curve; no rows where costs are undefined."""
    if prices is None:
        return HEADER, []
    rows = [
        (method, threshold, round(alarms, 6), round(recall, 6), round(cost, 4))
        for method, curve in roc.items()
        for threshold, alarms, recall, cost in zip(
            curve.thresholds.tolist(), curve.x.tolist(), curve.y.tolist(),
            expected_cost(curve.y, curve.x, prices).tolist(), strict=True,
        )
    ]  # fmt: skip
    return HEADER, list(rows)


def costs_figure(
    outcomes: Sequence[Outcome], roc: Mapping[str, Curve], prices: Prices | None, max_false_alarm_rate: float
) -> Figure:
    """Draw cost against the false-alarm rate, and against the defect rate at the threshold in use."""
    if prices is None:
        return no_costs()
    rates = np.geomspace(max(prices.defect_rate / 30, 1e-5), min(prices.defect_rate * 30, 0.9), 120)

    def along(recall: float, alarms: float) -> CostLine:
        lines = [Prices(prices.miss, prices.false_alarm, float(rate)) for rate in rates]
        return CostLine(rates, np.array([float(expected_cost(recall, alarms, line)) for line in lines]))

    deployed = {outcome.method: _deployed(outcome, prices) for outcome in outcomes}
    return cost_curves(
        curves={method: CostLine(curve.x, expected_cost(curve.y, curve.x, prices)) for method, curve in roc.items()},
        deployed={method: (point.false_alarm_rate, point.cost) for method, point in deployed.items()},
        by_defect_rate={method: along(point.recall, point.false_alarm_rate) for method, point in deployed.items()},
        ship_everything=along(0.0, 0.0),
        reject_everything=along(1.0, 1.0),
        trivial=(ship_everything(prices), reject_everything(prices)),
        max_false_alarm_rate=max_false_alarm_rate,
        defect_rate=prices.defect_rate,
    )


def _deployed(outcome: Outcome, prices: Prices) -> OperatingPoint:
    counted = outcome.confusion
    return operating_point(outcome.threshold["value"], counted.recall or 0.0, counted.false_alarm_rate or 0.0, prices)


def _cheapest(outcome: Outcome, prices: Prices, limit: float) -> OperatingPoint | None:
    points = operating_points(outcome.labels, outcome.scores)
    return cheapest(points.thresholds, points.y, points.x, prices, limit) if points else None


def _rounded(point: OperatingPoint | None) -> dict[str, Any]:
    found = asdict(point) if point else {}
    return {name: value if name == "threshold" else round(value, 6) for name, value in found.items()}
