"""What the report says about a method's anomaly maps: pixel metrics with intervals, and the pixel threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from iad.decision.pixel_thresholds import PixelThreshold, iou, pixel_confusion
from iad.metrics.localization import FPR_LIMIT, PixelMetrics, metrics_of
from iad.metrics.pixels import PixelPictures, count_pixels
from iad.statistics.exact import Interval
from iad.statistics.pixel_bootstrap import grid_counts, pixel_bootstrap_intervals

ORACLE_NOTE = "chosen on the test masks: an upper bound, not a threshold to deploy"


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
    intervals: dict[str, Interval] = {}
    if draws and counts.defined:
        grid = grid_counts(pictures, counts)
        intervals = pixel_bootstrap_intervals(grid, pictures.labels, draws=draws, confidence=confidence, seed=seed)
    labels = np.asarray(pictures.labels)
    return {
        "pictures": {"good": int((labels == 0).sum()), "anomalous": int((labels == 1).sum())},
        "regions": found.regions,
        "auroc": _rounded(found.auroc),
        "average_precision": _rounded(found.average_precision),
        "aupro": _rounded(found.aupro),
        "aupro_fpr_limit": FPR_LIMIT,
        "aupimo": _rounded(found.aupimo),
        "f1": _rounded(verdicts.f1),
        "iou": _rounded(iou(verdicts)),
        "precision": _rounded(verdicts.precision),
        "recall": _rounded(verdicts.recall),
        "intervals": {name: [_rounded(one.low), _rounded(one.high)] for name, one in intervals.items()},
        "oracle": _oracle(found),
        "absent": found.absent,
    }


def why_no_pixels(labels: np.ndarray, has_mask: np.ndarray, marks: np.ndarray, mask_names: Sequence[str]) -> str | None:
    """Why the masks of a test set allow no pixel metric at all, or None.

    Args:
        labels: int64 `(N,)`, 0 normal, 1 anomalous.
        has_mask: bool `(N,)`, whether the data set holds a mask of the picture.
        marks: bool `(N,)`, whether the mask marks a pixel.
        mask_names: N names, for the line.

    >>> why_no_pixels(np.array([0, 1]), np.array([False, False]), np.array([False, False]), ["", ""])
    'the data set has no masks of defective test pictures'
    """
    anomalous = np.asarray(labels) == 1
    if not anomalous.any():
        return "there is no defective test picture"
    if not (anomalous & has_mask).any():
        return "the data set has no masks of defective test pictures"
    if len(empty := np.flatnonzero(anomalous & has_mask & ~marks)):
        return (
            f"the mask {mask_names[empty[0]]} marks no pixel ({len(empty)} such masks), but its picture is defective; "
            "give it a mask that marks the defect, or none"
        )
    return None


def _oracle(found: PixelMetrics) -> dict[str, Any] | None:
    best = found.oracle_f1
    if best is None:
        return None
    return {"best_f1": _rounded(best.value), "threshold": best.threshold, "note": ORACLE_NOTE}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
