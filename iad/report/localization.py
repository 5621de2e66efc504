"""Where a method sees defects: pixel thresholds and pixel metrics of its anomaly maps, and why some are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from iad import paths
from iad.decision.pixel_thresholds import PixelThreshold, pixel_threshold_from_good
from iad.detectors.maps import FullMaps
from iad.metrics.confusion import iou, pixel_confusion
from iad.metrics.localization import FPR_LIMIT, PixelMetrics, metrics_of
from iad.metrics.pixels import PixelPictures, count_pixels
from iad.neighbors.rows import RowView
from iad.report import Evaluate
from iad.report.inputs import Images, Masks, MethodMaps, Outcome, read_maps
from iad.report.overlay import MapScale, red_threshold
from iad.report.summary import rounded
from iad.statistics.exact import Interval
from iad.statistics.pixel_bootstrap import grid_counts, pixel_bootstrap_intervals
from iad.words import counted, named

NO_MAPS = "it writes no anomaly maps"
SHOWN = 3  # masks named in one line
ORACLE_NOTE = "chosen on the test masks: an upper bound, not a threshold to deploy"


@dataclass(frozen=True, eq=False)
class ColouredMaps:
    """Maps of the test pictures, full when read; what their colours mean; and what the red promises."""

    test: FullMaps
    scale: MapScale
    red: PixelThreshold


@dataclass(frozen=True, eq=False)
class Localization:
    """What the maps of one method come to: its part of the report, and the maps, None where it wrote none."""

    details: dict[str, Any]
    maps: ColouredMaps | None = None


def localize(outcome: Outcome, masks: Masks, images: Images, chosen: Evaluate, seed: int) -> Localization:
    """Measure the maps of one method.

    Args:
        outcome: its scores and verdicts.
        masks: of the data set.
        images: the pictures of the data set.
        chosen: section `evaluate` of the parameters.
        seed: of the bootstrap draws; the same one for every method, so that their draws are paired.

    Raises:
        IadError: if a map or a mask is broken, or does not fit the scores.
    """
    maps = read_maps(outcome, images, chosen.map_sigma)
    if maps is None:
        return Localization({"left_out": NO_MAPS})
    origin, scheme = str(paths.SCORE / outcome.method / paths.CALIBRATION_MAPS), outcome.map_scheme
    threshold = pixel_threshold_from_good(
        maps.calibration.counting, chosen.pixel_threshold, chosen.pixel_rate, scheme=scheme, origin=origin
    )
    red = red_threshold(maps.calibration, chosen.red_rate, scheme, origin=origin)
    settings = {"map_sigma_pixels": round(maps.sigma, 3), "threshold": asdict(threshold), "red": asdict(red)}
    coloured = ColouredMaps(maps.test, MapScale(maps.calibration.usual, red.value), red)
    measured = _measured(outcome, maps, masks)
    if isinstance(measured, str):
        return Localization(settings | {"left_out": measured}, coloured)
    pixels, empty = measured
    details = pixel_details(pixels, threshold, draws=chosen.bootstrap, confidence=chosen.confidence, seed=seed)
    details["pictures"]["without_mask"] = len(outcome.image_id) - len(pixels) - len(empty)
    if empty:
        details["empty_masks"] = empty
    return Localization(settings | details, coloured)


def pixel_details(
    pictures: PixelPictures, threshold: PixelThreshold, *, draws: int, confidence: float, seed: int
) -> dict[str, Any]:
    """Measure the anomaly maps of one method. They are read about four times, one by one.

    Args:
        pictures: maps and masks of test pictures.
        threshold: chosen on good pictures alone.
        draws: bootstrap draws of pictures behind the intervals of AUROC and AUPRO; 0 gives none.
        confidence: of the intervals, in (0, 1).
        seed: of the draws; the same one for every method, so that their draws are paired.

    Raises:
        IadError: if a map or a mask is refused, see `iad.metrics.pixels`.
    """
    counts = count_pixels(pictures)
    found, verdicts = metrics_of(counts), pixel_confusion(pictures, threshold.value)
    labels = np.asarray(pictures.gt_label)
    intervals: dict[str, Interval] = {}
    if draws and counts.defined:
        grid = grid_counts(pictures, counts)
        intervals = pixel_bootstrap_intervals(grid, labels, draws=draws, confidence=confidence, seed=seed)
    return {
        "pictures": {"good": int((labels == 0).sum()), "anomalous": int((labels == 1).sum())},
        "regions": found.regions,
        "auroc": rounded(found.auroc),
        "average_precision": rounded(found.average_precision),
        "aupro": rounded(found.aupro),
        "aupro_fpr_limit": FPR_LIMIT,
        "aupimo": rounded(found.aupimo),
        "f1": rounded(verdicts.f1),
        "iou": rounded(iou(verdicts)),
        "precision": rounded(verdicts.precision),
        "recall": rounded(verdicts.recall),
        "intervals": {name: [rounded(one.low), rounded(one.high)] for name, one in intervals.items()},
        "oracle": _oracle(found),
        "absent": found.absent,
    }


def why_no_pixels(
    gt_label: np.ndarray, has_mask: np.ndarray, marks: np.ndarray, mask_names: Sequence[str]
) -> str | None:
    """Why the masks of a test set allow no pixel metric at all, or None.

    Args:
        gt_label: int64 `(N,)`, 0 normal, 1 anomalous.
        has_mask: bool `(N,)`, whether the data set holds a mask of the picture.
        marks: bool `(N,)`, whether the mask marks a pixel.
        mask_names: N names, for the line.

    >>> why_no_pixels(np.array([0, 1]), np.array([False, False]), np.array([False, False]), ["", ""])
    'the data set has no masks of defective test pictures'
    """
    anomalous = np.asarray(gt_label) == 1
    if not anomalous.any():
        return "there is no defective test picture"
    if not (anomalous & has_mask).any():
        return "the data set has no masks of defective test pictures"
    if not (anomalous & has_mask & marks).any():
        empty = [mask_names[row] for row in np.flatnonzero(anomalous & has_mask).tolist()]
        return (
            f"no mask of a defective test picture marks a pixel ({named(empty, SHOWN)}); a defect is what is not black"
        )
    return None


def localization_notes(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line for each reason why pixel metrics are missing, with the methods that lack them.

    Args:
        found: `details` of each method by its name.

    >>> localization_notes({"ae": {"left_out": "there is no defective test picture"}, "knn": {"absent": {}}})
    ['ae: no pixel metrics: there is no defective test picture']
    """
    lacking: dict[str, list[str]] = {}
    for method, details in found.items():
        reasons = {details["left_out"]: "pixel metrics"} if "left_out" in details else {}
        for name, reason in details.get("absent", {}).items():
            reasons[reason] = f"{reasons[reason]}, {name}" if reason in reasons else name
        if unmasked := details.get("pictures", {}).get("without_mask"):
            lacking_masks = counted(unmasked, "defective test picture has", "defective test pictures have")
            reasons[f"left out of pixel metrics: {lacking_masks} no mask"] = ""
        if empty := details.get("empty_masks"):
            marking = counted(len(empty), "mask marks no pixel", "masks mark no pixel")
            reasons[f"left out of pixel metrics: {marking} of a defective picture ({named(empty, SHOWN)})"] = ""
        for reason, names in reasons.items():
            lacking.setdefault(f"no {names}: {reason}" if names else reason, []).append(method)
    return [f"{', '.join(methods)}: {line}" for line, methods in lacking.items()]


def _measured(outcome: Outcome, maps: MethodMaps, masks: Masks) -> tuple[PixelPictures, list[str]] | str:
    """Maps and masks of the pictures that can be measured and the masks that mark nothing, or why there are none."""
    ids, labels = outcome.image_id, outcome.gt_label
    has_mask, marks = masks.known(ids), masks.marking(ids)
    names = [str(masks.names.get(one)) for one in ids]
    if reason := why_no_pixels(labels, has_mask, marks, names):
        return reason
    kept = np.flatnonzero((labels == 0) | marks)
    empty = [names[row] for row in np.flatnonzero((labels == 1) & has_mask & ~marks)]
    origin = str(paths.SCORE / outcome.method / paths.TEST_MAPS)
    pictures = PixelPictures(
        RowView(maps.test, kept), masks.of(ids[kept]), labels[kept], ids[kept].tolist(), origin, maps.test.region
    )
    return pictures, empty


def _oracle(found: PixelMetrics) -> dict[str, Any] | None:
    if (best := found.oracle_f1) is None:
        return None
    return {"best_f1": rounded(best.value), "threshold": best.threshold, "note": ORACLE_NOTE}
