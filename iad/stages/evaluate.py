"""Stage `evaluate`: metrics, curves and pictures of every method that `params.yaml` lists."""

from __future__ import annotations

from iad import paths
from iad.config import load_params
from iad.io import read_json, write_csv, write_json
from iad.metrics.curves import precision_recall_curve, roc_curve
from iad.progress import say, track
from iad.report.costs import cost_rows, costs_figure, costs_note, costs_of, prices_of
from iad.report.evaluation import (
    Gallery,
    false_alarms_strip,
    forget_unlisted,
    histogram_of,
    misses_strip,
    one_class_note,
    overview_of,
    read_outcome,
    write_figure,
)
from iad.report.figures.confusion import confusion_matrix
from iad.report.localization import localization_notes, localize
from iad.report.outcome import Outcome
from iad.report.pairs import compare_methods, comparison_rows
from iad.report.rows import curve_rows, curves_of, loss_rows, score_rows
from iad.report.summary import Summary, report_of, summarize


def evaluate() -> None:
    """Measure every listed method on the test pictures, and draw the report."""
    params = load_params()
    chosen = params.evaluate
    forget_unlisted(params.methods)
    gallery = Gallery()
    outcomes = [read_outcome(method, gallery) for method in params.methods]
    pixels = localize(outcomes, chosen, params.seed, gallery)
    summaries = {}
    for outcome in track(outcomes, "evaluate", unit=" methods"):
        summary = summarize(outcome, draws=chosen.bootstrap, confidence=chosen.confidence, seed=params.seed)
        summaries[outcome.method] = summary
        write_method(outcome, summary, gallery, chosen.strip)
    roc, precision_recall = curves_of(roc_curve, outcomes), curves_of(precision_recall_curve, outcomes)
    write_csv(paths.ROC_CURVES, *curve_rows(roc, "false_positive_rate", "true_positive_rate"))
    write_csv(paths.PR_CURVES, *curve_rows(precision_recall, "recall", "precision"))
    write_csv(paths.LOSS_CURVE, *loss_rows(outcomes))
    write_figure(paths.OVERVIEW, overview_of(outcomes, summaries, roc, precision_recall, chosen.confidence, gallery))
    comparisons = compare_methods(outcomes, confidence=chosen.confidence)
    write_csv(paths.COMPARISON, *comparison_rows(comparisons))
    prices, limit = prices_of(params.costs, outcomes), params.costs.max_false_alarm_rate
    write_csv(paths.COST_CURVES, *cost_rows(roc, prices))
    write_figure(paths.COSTS, costs_figure(outcomes, roc, prices, limit))
    costs = costs_of(outcomes, summaries, prices, limit, chosen.confidence)
    write_json(paths.DATA_REPORT_COPY, read_json(paths.DATA_REPORT))
    write_json(paths.REPORT, report_of(summaries, chosen.confidence, comparisons, costs, pixels))
    tell(outcomes, summaries, [costs_note(params.costs), *localization_notes(pixels)])


def write_method(outcome: Outcome, summary: Summary, gallery: Gallery, strip: int) -> None:
    """Write what concerns one method: its metrics, scores and figures; `strip` pictures per strip."""
    picture = f"{outcome.method}.png"
    write_json(paths.METRICS / f"{outcome.method}.json", summary.metrics)
    write_csv(paths.SCORES_CSV / f"{outcome.method}.csv", *score_rows(outcome))
    write_figure(paths.HISTOGRAMS / picture, histogram_of(outcome))
    write_figure(paths.CONFUSION / picture, confusion_matrix(outcome.method, outcome.confusion.matrix))
    write_figure(paths.MISSES / picture, misses_strip(outcome, gallery, strip))
    write_figure(paths.FALSE_ALARMS / picture, false_alarms_strip(outcome, gallery, strip))


def tell(outcomes: list[Outcome], summaries: dict[str, Summary], notes: list[str | None]) -> None:
    """Say what is missing and why, and how to see the results."""
    for line in filter(None, [*map(one_class_note, outcomes), *notes]):
        say(line)
    say(f"evaluate: {', '.join(summaries)} on {len(outcomes[0].labels)} test pictures; see `iad results`")
