"""Checks of a data set before anything is trained: faults that make results wrong without any error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iad.data.decode import FULL_16BIT
from iad.data.image_size import ImageSize
from iad.data.originals import Originals
from iad.datacheck.border import check_border
from iad.datacheck.confounds import check_confounds, separations
from iad.datacheck.copies import check_copies
from iad.datacheck.counts import check_counts
from iad.datacheck.findings import Finding
from iad.datacheck.levels import check_levels
from iad.datacheck.masks import check_masks
from iad.datacheck.pictures import Statistics, check_pictures, is_blank, measure
from iad.datacheck.series import check_series
from iad.io import open_array, write_json

if TYPE_CHECKING:
    import pandas as pd


def check_files(
    archive_path: Path, manifest: pd.DataFrame, images_path: Path, masks_path: Path, report_path: Path, *,
    white_16bit: int = FULL_16BIT, threads: int = 0, region_path: Path | None = None,
) -> list[Finding]:  # fmt: skip
    """Run all checks on a data set as `preprocess` leaves it, and write the data report.

    Args:
        archive_path: the original pictures, as `write_originals` kept them.
        manifest: N rows, as `read_manifest` gives them.
        images_path: the array of decoded pictures, uint8 `(N, H, W, 3)`.
        masks_path: the array of masks, uint8 `(N, H, W)`; there need not be one.
        report_path: the JSON file to write.
        white_16bit: the value of a 16-bit picture that became white.
        threads: working threads; 0 means one for each core that this process may use.
        region_path: the region of interest, bool `(H, W)`, if there is such a file. What is measured of pictures is
            then measured in the rectangle around it, so that the grey outside hides no dark or blank one.

    Returns:
        What was found, the gravest first.

    Raises:
        IadError: if a file is missing or broken.
    """
    region = open_array(region_path) if region_path is not None and region_path.is_file() else None
    images = open_array(images_path)
    statistics = replace(
        measure(images[(slice(None), *around(region))], threads=threads), size=ImageSize.of_arrays(images)
    )
    with Originals(archive_path) as originals:
        levels = check_levels(originals, manifest, statistics, white_16bit, threads=threads)
        sizes = originals.sizes(manifest["image_id"].tolist())
    masks = open_array(masks_path) if manifest["mask"].notna().any() else None
    findings, report = check_data(manifest, statistics, sizes, levels, masks, region=region is not None)
    write_json(report_path, report)
    return findings


def around(region: np.ndarray | None) -> tuple[slice, slice]:
    """The rectangle around a region, bool `(H, W)`: lines and columns; all without one.

    >>> around(np.array([[False, False, False], [False, True, True]]))
    (slice(1, 2, None), slice(1, 3, None))
    """
    if region is None:
        return slice(None), slice(None)
    lines, columns = (np.flatnonzero(region.any(axis=axis)).tolist() for axis in (1, 0))
    return slice(lines[0], lines[-1] + 1), slice(columns[0], columns[-1] + 1)


def check_data(
    manifest: pd.DataFrame, statistics: Statistics, file_bytes: np.ndarray, levels: tuple[list[Finding], np.ndarray],
    masks: np.ndarray | None = None, *, region: bool = False,
) -> tuple[list[Finding], dict[str, Any]]:  # fmt: skip
    """Run all checks.

    Args:
        manifest: N rows, as `read_manifest` gives them.
        statistics: of the same N pictures.
        file_bytes: int64 `(N,)`, size of each file.
        levels: as `check_levels` gives them: what is read on the wrong scale, and which pictures that concerns.
        masks: uint8 `(N, H, W)`; None where no picture has one.
        region: whether pictures and masks were cut to a region of interest.

    Returns:
        What was found, the gravest first, and the content of the data report.
    """
    properties = {
        "brightness": statistics.brightness, "contrast": statistics.contrast, "colour": statistics.colour,
        "file_bytes": file_bytes, "pixels": (manifest["width"] * manifest["height"]).to_numpy(),
    }  # fmt: skip
    separated = separations(manifest, properties)
    wrong_scale, explained = levels
    findings = [
        *wrong_scale,
        *check_copies(manifest, statistics.grids, ~is_blank(statistics)),
        *check_series(manifest, statistics.grids, ~is_blank(statistics)),
        *check_confounds(manifest, separated),
        *check_border(manifest, statistics.grids),
        *check_pictures(manifest, statistics, explained),
        *check_counts(manifest),
        *(check_masks(manifest, masks, region=region) if masks is not None else ()),
    ]
    return findings, _report(manifest, findings, separated)


def _report(
    manifest: pd.DataFrame, findings: Sequence[Finding], separated: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    split, defective = manifest["split"].to_numpy(), manifest["label"].to_numpy() == 1
    pictures = {name: int((split == name).sum()) for name in ("train", "calibration")}
    pictures |= {"test_good": int(((split == "test") & ~defective).sum()), "test_defective": int(defective.sum())}
    return {
        "pictures": pictures,
        "findings": [finding.record() for finding in findings],
        "auroc_of_properties": {
            name: {title: round(value, 4) for title, value in values.items()} for name, values in separated.items()
        },
    }
