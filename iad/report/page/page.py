"""Everything that `evaluate` wrote, as one HTML file: tables, charts to hover over, galleries, parameters, versions."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, StrictUndefined
from PIL import Image
from plotly.offline import get_plotlyjs
from pydantic import BaseModel
from ruamel.yaml import YAML

from iad import paths
from iad.errors import IadError
from iad.io import read_json, replacing
from iad.report.page.charts import COST, PRECISION_RECALL, ROC, as_html, curves, scores
from iad.report.results_notes import notes
from iad.report.results_table import comparison_table, costs_table, localization_note, localization_table, results_rows

QUALITY = 80  # of pictures as WebP: a quarter of their PNG, and no difference to be seen
UNSAID = ("compute", "gate")  # sections of params.yaml that change no result
PICTURES = (  # title, folder, and what a reader sees there
    ("Where it looks", paths.GALLERIES, "pictures, anomaly maps and overlays; red from the map's threshold on"),
    ("Worst misses", paths.MISSES, "defective pictures with the lowest scores"),
    ("Worst false alarms", paths.FALSE_ALARMS, "good pictures with the highest scores"),
)


class Table(NamedTuple):
    """A table, and the sentence above it."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def write_page(out: Path, params: BaseModel) -> int:
    """Write the page of the results in this folder; returns its size in bytes.

    Args:
        out: the HTML file, which is replaced.
        params: content of `params.yaml`.

    Raises:
        IadError: if there are no results here, or a file of theirs is missing.
    """
    if not paths.REPORT.is_file():
        raise IadError(f"{paths.REPORT}: no results here yet; run `dvc repro` in the repository's top folder first")
    text = render(read_json(paths.REPORT), params)
    with replacing(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return len(text.encode())


def render(report: Mapping[str, Any], params: BaseModel) -> str:
    """The page as text, from the content of the report and of `params.yaml`, and the files beside the report."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    metrics = {method: read_json(paths.METRICS / f"{method}.json") for method in report["methods"]}
    shown = {name: _plain(getattr(params, name)) for name in params.__class__.model_fields if name not in UNSAID}
    return template.render(
        source=f"{shown['data']['source']} / {shown['data']['category']}",
        best=max(metrics, key=lambda method: metrics[method].get("auroc", float("-inf"))), metrics=metrics,
        report=report, overview=_picture(paths.OVERVIEW), tables=list(_tables(report, metrics)), notes=notes(report),
        note=localization_note(report), charts=dict(_charts(report, metrics)), data=_data(),
        methods={method: _method(method, metrics[method], details) for method, details in report["methods"].items()},
        parameters=_as_yaml(shown),
        versions=_versions(report), script=get_plotlyjs(),
    )  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return {name: _plain(inner) for name, inner in value.items()} if isinstance(value, Mapping) else value


def _as_yaml(values: Mapping[str, Any]) -> str:
    buffer = io.StringIO()
    YAML().dump(values, buffer)
    return buffer.getvalue()


def _tables(report: Mapping[str, Any], metrics: Mapping[str, Mapping[str, float]]) -> Iterator[Table]:
    yield Table("Every method on the test pictures, at its threshold in use.", *results_rows(report, metrics))
    for found in (localization_table(report), comparison_table(report), costs_table(report)):
        if found:
            yield Table(*found)


def _charts(report: Mapping[str, Any], metrics: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    rates = {name: details["verdicts"]["false_alarm_rate"] for name, details in report["methods"].items()}
    costs = (report.get("costs") or {}).get("methods", {})
    of_recall = {name: (found.get("recall"), found.get("precision")) for name, found in metrics.items()}
    of_rates = {name: (rates[name], found.get("recall")) for name, found in metrics.items()}
    of_costs = {name: (rates[name], found["deployed"]["cost"]) for name, found in costs.items()}
    drawn = (
        ("Precision and recall", paths.PR_CURVES, PRECISION_RECALL, of_recall),
        ("ROC", paths.ROC_CURVES, ROC, of_rates),
        ("Cost", paths.COST_CURVES, COST, of_costs),
    )
    for number, (title, path, axes, in_use) in enumerate(drawn):
        table = pd.read_csv(path) if path.is_file() else pd.DataFrame()
        if len(table):
            known = {name: (x, y) for name, (x, y) in in_use.items() if x is not None and y is not None}
            yield title, as_html(curves(table, axes, known), f"chart-{number}")


def _method(method: str, values: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    """What the page says of one method."""
    table = paths.SCORES_CSV / f"{method}.csv"
    found = scores(pd.read_csv(table), values["threshold"]) if table.is_file() else None
    threshold = details["threshold"]
    return {
        "scores": "" if found is None else as_html(found, f"scores-{method}"),
        "verdicts": details["verdicts"], "guarantee": threshold["guarantee"], "warnings": threshold["warnings"],
        "recall_per_defect": details.get("recall_per_defect") or {},
        "pictures": [
            (title, said, shown) for title, folder, said in PICTURES if (shown := _picture(folder / f"{method}.png"))
        ],
    }  # fmt: skip


def _picture(path: Path) -> str:
    """A picture inside the page, as the address that holds it; empty if there is none."""
    if not path.is_file():
        return ""
    buffer = io.BytesIO()
    with Image.open(path) as picture:
        picture.convert("RGB").save(buffer, "WEBP", quality=QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _data() -> Mapping[str, Any]:
    return read_json(paths.DATA_REPORT_COPY) if paths.DATA_REPORT_COPY.is_file() else {}


def _versions(report: Mapping[str, Any]) -> dict[str, str]:
    """What each method was made with, in the words of its provenance."""
    shown = partial(_flat, "")
    return {method: "; ".join(shown(details["provenance"])) for method, details in report["methods"].items()}


def _flat(before: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{before}.{name}" if before else str(name), inner)
    elif not isinstance(value, list) or len(value) <= 8:  # a longer one is data, not a setting
        yield f"{before} = {value}"
