"""Pixel metrics of finished maps for several smoothings, and pixel F1 for several thresholds from good pictures.

Run it from a folder where `dvc repro` has run on data with masks: python benchmarks/map_smoothing.py [method ...]
Prints one Markdown table for each method: share of the picture's side, pixel AUROC, AP, AUPRO, AUPIMO, the oracle F1,
and F1 at each threshold. The test masks are read: choose a default from many data sets, never from the one you report.
"""

from __future__ import annotations

import sys

import numpy as np
from iad.report.tables import as_padded_markdown

from iad import paths
from iad.data.manifest import read_manifest
from iad.decision.pixel_thresholds import pixel_threshold_from_good
from iad.detectors.maps import FullMaps
from iad.io import open_array, read_table
from iad.metrics.confusion import pixel_confusion
from iad.metrics.localization import pixel_metrics
from iad.metrics.pixels import PixelPictures
from iad.neighbors.rows import RowView

SHARES = (0, 0.006, 0.009, 0.012, 0.015, 0.018, 0.022, 0.027)
THRESHOLDS = (
    ("pixel_share", 0.0005), ("pixel_share", 0.001), ("pixel_share", 0.002), ("pixel_share", 0.005),
    ("picture_maximum", 0.05), ("picture_maximum", 0.1), ("picture_maximum", 0.25),
)  # fmt: skip


def table_of(method: str) -> str:
    """Measure the maps of one method."""
    folder, manifest, masks = paths.SCORE / method, read_manifest(paths.MANIFEST), open_array(paths.MASKS)
    test, size = read_table(folder / paths.TEST_SCORES), masks.shape[1]
    rows = np.flatnonzero(manifest["split"] == "test")
    header = ["sigma", "pixel AUROC", "AP", "AUPRO", "AUPIMO", "oracle F1"]
    lines = []
    for share in SHARES:
        full, good = (
            FullMaps(open_array(folder / name), size, share * size)
            for name in (paths.TEST_MAPS, paths.CALIBRATION_MAPS)
        )
        pictures = PixelPictures(full, RowView(masks, rows), test["label"], test["image_id"].tolist())
        found = pixel_metrics(pictures)
        values = [
            found.auroc,
            found.average_precision,
            found.aupro,
            found.aupimo,
            found.oracle_f1 and found.oracle_f1.value,
        ]
        for strategy, rate in THRESHOLDS:
            values.append(pixel_confusion(pictures, pixel_threshold_from_good(good, strategy, rate).value).f1)
        lines.append([f"{share:g}", *("-" if value is None else f"{value:.4f}" for value in values)])
    return as_padded_markdown([*header, *(f"F1 {strategy} {rate:g}" for strategy, rate in THRESHOLDS)], lines)


def main() -> None:
    """Print the table of every method with maps, or of those named."""
    methods = sys.argv[1:] or sorted(path.parent.name for path in paths.SCORE.glob(f"*/{paths.TEST_MAPS}"))
    for method in methods:
        print(f"\n{method}\n\n{table_of(method)}")


if __name__ == "__main__":
    main()
