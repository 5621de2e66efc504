"""The whole report of a run: every method measured, every table and figure written by one call each.

What earlier runs left of methods that `params.yaml` no longer lists is dealt with too: own files go, those of other
stages are told of.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from iad import paths
from iad.errors import IadError
from iad.io import read_json, replacing, write_csv, write_json
from iad.metrics.curves import Curve, precision_recall_curve, roc_curve
from iad.processes import in_processes
from iad.report import Costs, Evaluate
from iad.report.costs import costs_note, costs_of, prices_of
from iad.report.drawings import (
    draw_confusion,
    draw_costs,
    draw_false_alarms,
    draw_gallery,
    draw_histogram,
    draw_misses,
    draw_overview,
)
from iad.report.figures.style import png
from iad.report.inputs import Images, Masks, Outcome, read_outcome
from iad.report.localization import ColouredMaps, localization_notes, localize
from iad.report.pairs import compare_methods
from iad.report.summary import (
    Summary,
    comparisons_frame,
    costs_frame,
    curves_frame,
    losses_frame,
    report_of,
    scores_frame,
    summarize,
)
from iad.words import counted

FIGURES = (paths.HISTOGRAMS, paths.CONFUSION, paths.MISSES, paths.FALSE_ALARMS, paths.GALLERIES)
OWN = ((paths.METRICS, ".json"), (paths.SCORES_CSV, ".csv"), *((folder, ".png") for folder in FIGURES))
"""What `evaluate` writes for each method: folders, and how the files end."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What the report says of one method.

    Attributes:
        summary: its metrics.
        pixels: what is said of its anomaly maps.
        figures: PNG files, by the folder that holds such figures of all methods; no gallery of a method without maps.
    """

    summary: Summary
    pixels: Mapping[str, Any]
    figures: Mapping[Path, bytes]


def measure(outcome: Outcome, *, chosen: Evaluate, seed: int) -> Measured:
    """Measure and draw one method.

    Args:
        outcome: its scores and verdicts; maps, pictures and masks are read from where the stages left them.
        chosen: section `evaluate` of the parameters.
        seed: of the bootstrap draws; the same one for every method, so that their draws are paired.

    Raises:
        IadError: if a map or a mask is broken, or does not fit the scores.
    """
    images, masks = Images(), Masks()
    located = localize(outcome, masks, images, chosen, seed)
    summary = summarize(outcome, draws=chosen.bootstrap, confidence=chosen.confidence, seed=seed)
    return Measured(summary, located.details, dict(_figures(outcome, located.maps, masks, images, chosen.strip)))


def write_report(
    methods: Collection[str], chosen: Evaluate, costs: Costs, seed: int, *, processes: int = 1
) -> list[str]:
    """Measure methods on the test pictures, and write the tables and figures of all and of each.

    Args:
        methods: names, in the order of the report.
        chosen: section `evaluate` of the parameters.
        costs: section `costs`.
        seed: of the bootstrap draws.
        processes: how many work at once, each on one method; the files are the same for any number.

    Returns:
        Lines for the person who waits: what is missing and why, and how to see the results.

    Raises:
        IadError: if what another stage wrote is missing, broken or does not fit together; nothing is written then.
    """
    images = Images()
    outcomes = [read_outcome(method, images) for method in methods]
    work = partial(measure, chosen=chosen, seed=seed)
    found = in_processes(work, outcomes, processes, title="evaluate", unit=" methods")
    measured = dict(zip(methods, found, strict=True))
    summaries = {method: one.summary for method, one in measured.items()}
    details = {method: one.pixels for method, one in measured.items()}
    comparisons = compare_methods(outcomes, confidence=chosen.confidence)
    prices, limit = prices_of(costs, outcomes), costs.max_false_alarm_rate
    money = costs_of(outcomes, summaries, prices, limit, chosen.confidence)

    remove_own(methods)
    for outcome in outcomes:
        write_method(outcome, measured[outcome.method])
    roc, precision_recall = curves_of(roc_curve, outcomes), curves_of(precision_recall_curve, outcomes)
    write_csv(paths.ROC_CURVES, curves_frame(roc, "false_positive_rate", "true_positive_rate"))
    write_csv(paths.PR_CURVES, curves_frame(precision_recall, "recall", "precision"))
    write_csv(paths.LOSS_CURVE, losses_frame(outcomes))
    write_csv(paths.COMPARISON, comparisons_frame(comparisons))
    write_csv(paths.COST_CURVES, costs_frame(roc, prices))
    shown = draw_overview(outcomes, summaries, roc, precision_recall, chosen.confidence, images)
    _write(paths.OVERVIEW, png(shown))
    _write(paths.COSTS, png(draw_costs(outcomes, roc, prices, limit)))
    write_json(paths.DATA_REPORT_COPY, read_json(paths.DATA_REPORT))
    write_json(paths.REPORT, report_of(summaries, chosen.confidence, comparisons, money, details))
    missing = [*map(one_class_note, outcomes), costs_note(costs), *localization_notes(details), leftover_note(methods)]
    return [*filter(None, missing), closing_line(outcomes)]


def write_method(outcome: Outcome, measured: Measured) -> None:
    """Write what concerns one method; a figure that it has no more since the run before is removed."""
    write_json(paths.METRICS / f"{outcome.method}.json", measured.summary.metrics)
    write_csv(paths.SCORES_CSV / f"{outcome.method}.csv", scores_frame(outcome))
    for folder in FIGURES:
        path = folder / f"{outcome.method}.png"
        if folder in measured.figures:
            _write(path, measured.figures[folder])
        else:
            path.unlink(missing_ok=True)


def curves_of(
    curve: Callable[[np.ndarray, np.ndarray], Curve | None], outcomes: Iterable[Outcome]
) -> Mapping[str, Curve]:
    """Curve of each method by its name; without those whose test pictures are all of one class.

    >>> none, labels = np.empty(0), np.array([0, 1])
    >>> outcome = Outcome(labels, labels * 1.0, labels == 1, "vit", none, none, none, {}, {})
    >>> {method: curve.y.tolist() for method, curve in curves_of(roc_curve, [outcome]).items()}
    {'vit': [0.0, 1.0, 1.0]}
    """
    found = {outcome.method: curve(outcome.gt_label, outcome.pred_score) for outcome in outcomes}
    return {method: points for method, points in found.items() if points is not None}


def remove_own(methods: Collection[str]) -> None:
    """Remove what the run before wrote for methods that are no longer listed, and nothing else.

    Its report names them. DVC removes all that a stage wrote before it runs, the report too, so this is for a run by
    hand.

    Args:
        methods: those that are listed.
    """
    for method in _reported():
        if method not in methods:
            for folder, ending in OWN:
                (folder / f"{method}{ending}").unlink(missing_ok=True)


def leftover_note(methods: Collection[str]) -> str | None:
    """The line that names folders of other stages for methods that are no longer listed; None where there are none.

    `evaluate` depends on the folders of all methods as a whole, so that what lies there too changes its record. It may
    be a result that somebody wants to keep, so nothing is deleted.

    Args:
        methods: those that are listed.
    """
    found = [
        shlex.quote(folder.as_posix())
        for room in (paths.SCORE, paths.THRESHOLD)
        for folder in sorted(room.glob("*/"))
        if folder.name not in methods
    ]
    if not found:
        return None
    return (
        f"left over, of no method in {paths.PARAMS}: {', '.join(found)}; {paths.LOCK} records evaluate with that, "
        f"other than in a fresh clone; to remove it: rm -r {' '.join(found)}"
    )


def one_class_note(outcome: Outcome) -> str | None:
    """The line that says which metrics are missing, where all test pictures are of one class.

    >>> none, labels = np.empty(0), np.array([0, 0])
    >>> print(one_class_note(Outcome(labels, labels * 1.0, labels == 1, "vit", none, none, none, {}, {})))
    vit: all 2 test pictures are good, so AUROC, AP, F1, precision, recall and misses are left out; add pictures of ...
    """
    counts = outcome.confusion
    if counts.normal and counts.anomalous:
        return None
    kind, lost = ("good", "recall and misses") if counts.normal else ("defective", "false alarms")
    return (
        f"{outcome.method}: all {len(outcome.gt_label)} test pictures are {kind}, so AUROC, AP, F1, precision, {lost} "
        "are left out; add pictures of the other class"
    )


def closing_line(outcomes: Sequence[Outcome]) -> str:
    """What was evaluated, and how to see the results.

    >>> none, labels = np.empty(0), np.array([0, 1])
    >>> closing_line([Outcome(labels, labels * 1.0, labels == 1, "vit", none, none, none, {}, {})])
    'evaluate: vit on 2 test pictures; see `iad results`'
    """
    names = ", ".join(outcome.method for outcome in outcomes)
    return f"evaluate: {names} on {counted(len(outcomes[0].gt_label), 'test picture')}; see `iad results`"


def _reported() -> Iterator[str]:
    """Methods in the report of the run before; none where it is missing, broken, or names what is no file name."""
    try:
        report = read_json(paths.REPORT)
    except IadError:
        return
    found = report.get("methods") if isinstance(report, dict) else None
    yield from (name for name in (found if isinstance(found, dict) else ()) if Path(name).name == name)


def _figures(
    outcome: Outcome, maps: ColouredMaps | None, masks: Masks, images: Images, strip: int
) -> Iterator[tuple[Path, bytes]]:
    yield paths.HISTOGRAMS, png(draw_histogram(outcome))
    yield paths.CONFUSION, png(draw_confusion(outcome))
    yield paths.MISSES, png(draw_misses(outcome, images, strip))
    yield paths.FALSE_ALARMS, png(draw_false_alarms(outcome, images, strip))
    if maps is not None:
        yield paths.GALLERIES, png(draw_gallery(outcome, maps, masks, images), few_colours=True)


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as part:
        part.write_bytes(content)
