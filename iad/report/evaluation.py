"""What `evaluate` reads and how it hands numbers to the figures."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from iad import paths
from iad.data.manifest import read_manifest
from iad.decision.thresholds import is_anomalous
from iad.errors import IadError
from iad.io import open_array, read_json, read_table, replacing
from iad.metrics.curves import Curve
from iad.report.figures.histograms import score_histogram
from iad.report.figures.overview import Estimate, Examples, overview
from iad.report.figures.strips import picture_strip
from iad.report.figures.style import png
from iad.report.outcome import Outcome
from iad.report.summary import Summary

EXAMPLES = 3


class Gallery:
    """The pictures of the data set by their ids; nothing is read before it is asked for."""

    def __init__(self) -> None:
        self.images = open_array(paths.IMAGES)  # uint8 (N, S, S, 3)
        self.rows = {image_id: row for row, image_id in enumerate(read_manifest(paths.MANIFEST)["image_id"])}

    def __call__(self, image_ids: Sequence[str]) -> np.ndarray:
        """Pictures with these ids, uint8 `(K, S, S, 3)`."""
        return np.asarray(self.images[[self.rows[image_id] for image_id in image_ids]])


def forget_unlisted(methods: Collection[str]) -> None:
    """Delete what earlier runs left of methods that `params.yaml` no longer lists.

    `stages/score` and `stages/threshold` are dependencies of `evaluate` as whole folders, and DVC records a dependency
    after the run. With leftovers in it, the record would differ from that of a fresh clone.
    """
    for folder in (paths.SCORE, paths.THRESHOLD):
        for leftover in folder.glob("*/"):
            if leftover.name not in methods:
                shutil.rmtree(leftover)
    for folder in (
        paths.METRICS,
        paths.SCORES_CSV,
        paths.HISTOGRAMS,
        paths.CONFUSION,
        paths.MISSES,
        paths.FALSE_ALARMS,
        paths.GALLERIES,
    ):
        for leftover in folder.glob("*.*"):
            if leftover.stem not in methods:
                leftover.unlink()


def read_outcome(method: str, gallery: Gallery) -> Outcome:
    """Read the scores, the threshold and the provenance of one method, and give the verdicts.

    Raises:
        IadError: if a file is missing or broken, holds scores that cannot be ranked, or a picture the data set lacks.
    """
    source = paths.SCORE / method
    test = {name: column.to_numpy() for name, column in read_table(source / paths.TEST_SCORES).items()}
    threshold = read_json(paths.THRESHOLD / method / paths.THRESHOLD_FILE)
    outcome = Outcome(
        method=method,
        image_ids=test["image_id"],
        labels=test["label"],
        defects=test["defect"],
        scores=test["score"],
        rejected=is_anomalous(test["score"], threshold["value"]),
        calibration=read_table(source / paths.CALIBRATION_SCORES)["score"].to_numpy(),
        threshold=threshold,
        provenance=read_json(source / paths.PROVENANCE),
    )
    outcome.check(str(source / paths.TEST_SCORES))
    if strange := [image_id for image_id in outcome.image_ids if image_id not in gallery.rows]:
        raise IadError(f"{paths.MANIFEST}: no picture '{strange[0]}', which {method} scored; run `dvc repro`")
    return outcome


def one_class_note(outcome: Outcome) -> str | None:
    """The line that says which metrics are missing, where all test pictures are of one class."""
    counted = outcome.confusion
    if counted.normal and counted.anomalous:
        return None
    kind, lost = ("good", "recall and misses") if counted.normal else ("defective", "false alarms")
    return (
        f"{outcome.method}: all {len(outcome.labels)} test pictures are {kind}, so AUROC, AP, F1, precision, {lost} "
        "are left out; add pictures of the other class"
    )


def write_figure(path: Path, figure: Figure, *, few_colours: bool = False) -> None:
    """Write a figure as PNG; few colours make a smaller file of one that photos fill."""
    with replacing(path) as part:
        part.write_bytes(png(figure, few_colours=few_colours))


def histogram_of(outcome: Outcome) -> Figure:
    """Draw where the scores of one method lie."""
    good, defective = outcome.scores[outcome.labels == 0], outcome.scores[outcome.labels == 1]
    return score_histogram(outcome.method, good, defective, outcome.calibration, outcome.threshold["value"])


def misses_strip(outcome: Outcome, gallery: Gallery, count: int) -> Figure:
    """Draw the defective pictures that pass, lowest score first."""
    return _strip(outcome, outcome.worst_misses(count), outcome.confusion.false_negatives, "misses", gallery)


def false_alarms_strip(outcome: Outcome, gallery: Gallery, count: int) -> Figure:
    """Draw the good pictures that are rejected, highest score first."""
    rows = outcome.worst_false_alarms(count)
    return _strip(outcome, rows, outcome.confusion.false_positives, "false alarms", gallery)


def overview_of(
    outcomes: Sequence[Outcome],
    summaries: Mapping[str, Summary],
    roc: Mapping[str, Curve],
    precision_recall: Mapping[str, Curve],
    confidence: float,
    gallery: Gallery,
) -> Figure:
    """Draw all methods side by side, with pictures as the best of them sees them."""
    best = max(outcomes, key=lambda outcome: summaries[outcome.method].metrics.get("auroc", 0.0))
    measured = [outcome for outcome in outcomes if outcome.method in roc]
    metrics = {outcome.method: summaries[outcome.method].metrics for outcome in measured}
    alarms = {outcome.method: outcome.confusion.false_alarm_rate or 0.0 for outcome in measured}
    return overview(
        good=_examples(best, 0, gallery),
        defective=_examples(best, 1, gallery),
        caption=f"score of {best.method}; rejected from {best.threshold['value']:.3g} on",
        roc=roc,
        precision_recall=precision_recall,
        roc_deployed={method: (alarms[method], found["recall"]) for method, found in metrics.items()},
        precision_recall_deployed={method: (found["recall"], found["precision"]) for method, found in metrics.items()},
        auroc={
            method: Estimate(found["auroc"], found.get("auroc_low"), found.get("auroc_high"))
            for method, found in metrics.items()
        },
        confidence=confidence,
        labels={outcome.method: outcome.backbone for outcome in measured},
    )


def _examples(outcome: Outcome, label: int, gallery: Gallery) -> Examples:
    rows = outcome.typical(label, EXAMPLES)
    return Examples(gallery(outcome.image_ids[rows]), outcome.scores[rows], outcome.rejected[rows])


def _strip(outcome: Outcome, rows: np.ndarray, total: int, name: str, gallery: Gallery) -> Figure:
    counted = f"{total or 'no'} {name}" + (f", the worst {len(rows)}" if len(rows) < total else "")
    ids = outcome.image_ids[rows]
    title = f"{outcome.method}: {counted}"
    return picture_strip(title, gallery(ids), ids, outcome.scores[rows], outcome.threshold["value"])
