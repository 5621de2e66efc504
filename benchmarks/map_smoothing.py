"""Pixel metrics of finished maps for several smoothings, and pixel F1 for several thresholds from good pictures.

Run it from a folder where `dvc repro` has run on data with masks: python benchmarks/map_smoothing.py [method ...]
Prints one Markdown table for each method: share of the picture's side, pixel AUROC, AP, AUPRO, AUPIMO, the oracle F1,
and F1 at each threshold. The test masks are read: choose a default from many data sets, never from the one you report.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from measuring import Run, command, machine

from iad import paths
from iad.decision.pixel_thresholds import pixel_threshold_from_good
from iad.detectors.maps import FullMaps
from iad.metrics.confusion import pixel_confusion
from iad.metrics.localization import pixel_metrics
from iad.metrics.pixels import PixelPictures
from iad.neighbors.rows import RowView
from iad.words import as_markdown

SHARES = (0, 0.006, 0.009, 0.012, 0.015, 0.018, 0.022, 0.027)
THRESHOLDS = (
    ("pixel_share", 0.0005), ("pixel_share", 0.001), ("pixel_share", 0.002), ("pixel_share", 0.005),
    ("picture_maximum", 0.05), ("picture_maximum", 0.1), ("picture_maximum", 0.25),
)  # fmt: skip
HEADER = [
    "sigma", "pixel AUROC", "AP", "AUPRO", "AUPIMO", "oracle F1",
    *(f"F1 {strategy} {rate:g}" for strategy, rate in THRESHOLDS),
]  # fmt: skip


def table_of(run: Run, method: str) -> str:
    """Measure the maps of one method."""
    masks = run.array(paths.MASKS)
    ids = np.asarray(run.manifest["image_id"])[run.test].tolist()
    test, good = (run.array(paths.SCORE / method / name) for name in (paths.TEST_MAPS, paths.CALIBRATION_MAPS))
    lines, size = [], masks.shape[1]
    for share in SHARES:
        full = FullMaps(test, size, share * size)
        pictures = PixelPictures(full, RowView(masks, run.test), run.labels, ids)
        lines.append([f"{share:g}", *measured(pictures, FullMaps(good, size, share * size))])
    return as_markdown(HEADER, lines, padded=True)


def measured(pictures: PixelPictures, good: FullMaps) -> list[str]:
    """One line: pixel metrics, then F1 at each threshold from maps of good pictures."""
    found = pixel_metrics(pictures)
    best = None if found.oracle_f1 is None else found.oracle_f1.value
    values = [found.auroc, found.average_precision, found.aupro, found.aupimo, best]
    for strategy, rate in THRESHOLDS:
        threshold = pixel_threshold_from_good(good, strategy, rate)
        values.append(pixel_confusion(pictures, threshold.value).f1)
    return ["-" if value is None else f"{value:.4f}" for value in values]


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("methods", nargs="*", help="default: all with maps")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of every method with maps, or of those named."""
    asked, run = options().parse_args(arguments), Run()
    print(machine("numpy"))
    for method in asked.methods or run.methods(paths.TEST_MAPS):
        print(f"\n{method}\n\n{table_of(run, method)}", flush=True)


if __name__ == "__main__":
    main()
