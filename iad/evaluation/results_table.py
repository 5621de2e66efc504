"""The table of results as text, from the files that `evaluate` wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

RESULTS_HEADER = (
    "method", "backbone", "AUROC", "AP", "F1", "precision", "recall", "threshold", "false alarms", "misses",
)  # fmt: skip


def results_rows(
    report: Mapping[str, Any], metrics: Mapping[str, Mapping[str, float]]
) -> tuple[Sequence[str], list[list[str]]]:
    """The table of results, as text.

    Args:
        report: content of `plots/report.json`.
        metrics: content of `metrics/<method>.json` by method.
    """
    rows = [_results_row(method, metrics[method], details) for method, details in report["methods"].items()]
    header = list(RESULTS_HEADER)
    header[2] += f" [{100 * report['confidence']:g} %]"
    return header, rows


def _results_row(method: str, values: Mapping[str, float], details: Mapping[str, Any]) -> list[str]:
    auroc_text = _shown(values.get("auroc"))
    if "auroc_low" in values:
        auroc_text += f" [{values['auroc_low']:.3f}, {values['auroc_high']:.3f}]"
    shares = [_shown(values.get(name)) for name in ("average_precision", "f1", "precision", "recall")]
    pictures = details["pictures"]
    return [
        method,
        str(details["provenance"].get("model", {}).get("name", "-")),
        auroc_text,
        *shares,
        f"{values['threshold']:.4g}",
        _of(values.get("false_alarms"), pictures["test_good"]),
        _of(values.get("misses"), pictures["test_anomalous"]),
    ]


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _of(count: float | None, total: int) -> str:
    return "-" if count is None else f"{count:d} of {total}"
