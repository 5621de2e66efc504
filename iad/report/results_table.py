"""The tables of results, localisation, differences and costs as text, from the files that `evaluate` wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iad import paths
from iad.errors import IadError
from iad.io import read_json
from iad.report.results_notes import notes
from iad.words import as_markdown, as_text, counted

RESULTS_HEADER = (
    "method", "backbone", "AUROC", "AP", "F1", "precision", "recall", "threshold", "false alarms", "misses",
)  # fmt: skip
COMPARED = ("auroc", "misses", "false_alarms")
MOST_PAIRS = 6


def last_results(style: str) -> str:
    """The results that `evaluate` wrote in this folder: all tables of this module that apply.

    Args:
        style: `text`, or `markdown`, which leaves out where the plots are.

    Raises:
        IadError: if there are no results here.
    """
    if not paths.REPORT.is_file():
        raise IadError(f"{paths.REPORT}: no results here yet; run `dvc repro` in the repository's top folder first")
    report = read_json(paths.REPORT)
    metrics = {method: read_json(paths.METRICS / f"{method}.json") for method in report["methods"]}
    drawn = as_markdown if style == "markdown" else as_text
    parts = [drawn(*results_rows(report, metrics)), localization_note(report)]
    for table in (localization_table(report), comparison_table(report), costs_table(report)):
        parts += [table[0], drawn(*table[1:])] if table else []
    parts.append("\n".join(f"note: {line}" for line in notes(report)))
    if style != "markdown":
        parts.append(f"plots: {paths.OVERVIEW}, and more in {paths.PLOTS}; in the browser: dvc plots show --open")
    return "\n\n".join(part for part in parts if part)


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


def comparison_table(report: Mapping[str, Any]) -> tuple[str, Sequence[str], list[list[str]]] | None:
    """What is said above the table of differences, its header and its rows; None where there is nothing to compare.

    With many pairs, those of the method with the highest AUROC alone are shown.

    Args:
        report: content of the report file.

    >>> found = {"method": "vit", "against": "ae", "metric": "misses", "real": True, "p_holm": 0.01}
    >>> found |= {"only_method": 2, "only_against": 9}
    >>> comparison_table({"confidence": 0.95, "comparisons": [found]})[2]
    [['vit', 'ae', '-', '2 : 9 real (p 0.01)', '-']]
    """
    found = report.get("comparisons") or []
    pairs: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for one in found:
        pairs.setdefault((one["method"], one["against"]), {})[one["metric"]] = one
    if not pairs:
        return None
    best = next(iter(pairs))[0]
    shown = pairs if len(pairs) <= MOST_PAIRS else {names: row for names, row in pairs.items() if names[0] == best}
    hidden = len(pairs) - len(shown)
    title = (
        f"Differences on the same pictures, real or noise: {counted(len(found), 'test')}, Holm-corrected p at most "
        f"{1 - report['confidence']:.3g} is real."
        + (f" {counted(hidden, 'more pair is', 'more pairs are')} in the report." if hidden else "")
    )
    interval = f"AUROC difference [{100 * report['confidence']:g} %]"
    header = ("method", "against", interval, "misses of one alone", "false alarms of one alone")
    rows = [[*names, *(_compared(row.get(metric)) for metric in COMPARED)] for names, row in shown.items()]
    return title, header, rows


def costs_table(report: Mapping[str, Any]) -> tuple[str, Sequence[str], list[list[str]]] | None:
    """What is said above the table of costs, its header and its rows; None where costs are undefined.

    Args:
        report: content of the report file.
    """
    costs = report.get("costs")
    if not costs:
        return None
    title = (
        f"Cost per 1,000 parts: a miss costs {costs['miss']:g}, a false alarm {costs['false_alarm']:g}, "
        f"{100 * costs['defect_rate']:g} % of the parts are defective. Shipping every part costs "
        f"{costs['ship_everything']:.4g}, rejecting every part {costs['reject_everything']:.4g}."
    )
    limit = f"cheapest at up to {100 * costs['max_false_alarm_rate']:g} % false alarms (oracle)"
    header = ("method", "threshold", f"cost [{100 * report['confidence']:g} %]", "escapes", "overkill", limit)
    rows = [
        [
            method,
            f"{found['deployed']['threshold']:.4g}",
            _with_interval(found["deployed"]["cost"], found["deployed"]["cost_interval"]),
            f"{found['deployed']['escapes']:.1f}",
            f"{found['deployed']['overkill']:.1f}",
            f"{found['cheapest']['cost']:.1f}",
        ]
        for method, found in costs["methods"].items()
    ]
    return title, header, rows


def localization_table(report: Mapping[str, Any]) -> tuple[str, Sequence[str], list[list[str]]] | None:
    """What is said above the table of pixel metrics, its header and its rows; None where no method has any.

    Args:
        report: content of the report file.
    """
    found = {method: details.get("pixels", {}) for method, details in report["methods"].items()}
    measured = {method: pixels for method, pixels in found.items() if "auroc" in pixels}
    if not measured:
        return None
    pictures, threshold = (next(iter(measured.values()))[name] for name in ("pictures", "threshold"))
    title = (
        f"Where the defect is, pixel by pixel: {pictures['anomalous']:d} defective and "
        f"{counted(pictures['good'], 'good picture')}. "
        f"F1 and IoU at a threshold from good pictures alone ({threshold['strategy']}); "
        "the oracle F1 is the best that any threshold could reach here."
    )
    level = f"[{100 * report['confidence']:g} %]"
    header = ("method", f"pixel AUROC {level}", "pixel AP", f"AUPRO {level}", "AUPIMO", "F1", "IoU", "oracle F1")
    return title, header, [_localization_row(method, pixels) for method, pixels in measured.items()]


def localization_note(report: Mapping[str, Any]) -> str | None:
    """The line that says why there are maps but no pixel metrics; None where there are some, or no maps.

    Args:
        report: content of the report file.

    >>> localization_note({"methods": {"ae": {"pixels": {"threshold": {}, "left_out": "the data set has no masks"}}}})
    'No pixel metrics: the data set has no masks.'
    """
    found = [details.get("pixels", {}) for details in report["methods"].values()]
    reasons = {pixels.get("left_out") for pixels in found if "threshold" in pixels}
    return None if None in reasons or not reasons else f"No pixel metrics: {'; '.join(sorted(map(str, reasons)))}."


def _localization_row(method: str, pixels: Mapping[str, Any]) -> list[str]:
    intervals = pixels["intervals"]
    return [
        method,
        _with_interval(pixels["auroc"], intervals.get("pixel_auroc"), 3),
        _shown(pixels["average_precision"]),
        _with_interval(pixels["aupro"], intervals.get("aupro"), 3),
        *(_shown(pixels[name]) for name in ("aupimo", "f1", "iou")),
        _shown((pixels["oracle"] or {}).get("best_f1")),
    ]


def _compared(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "-"
    verdict = f"{'real' if one['real'] else 'noise'} (p {_p(one['p_holm'])})"
    if one["metric"] == "auroc":
        return f"{one['difference']:+.3f} [{one['low']:+.3f}, {one['high']:+.3f}] {verdict}"
    return f"{one['only_method']} : {one['only_against']} {verdict}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def _with_interval(value: float | None, interval: Sequence[float] | None, digits: int = 1) -> str:
    if value is None:
        return "-"
    return f"{value:.{digits}f}" + (f" [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]" if interval else "")


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
