"""Checks of a data set before anything is trained: faults that make results wrong without any error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from iad.datacheck.confounds import check_confounds, separations
from iad.datacheck.copies import check_copies
from iad.datacheck.counts import check_counts
from iad.datacheck.findings import Finding
from iad.datacheck.single import check_single, is_blank
from iad.datacheck.statistics import Statistics


def check_data(
    manifest: Mapping[str, np.ndarray], statistics: Statistics, file_bytes: np.ndarray, *, fewest_calibrating: int
) -> tuple[list[Finding], dict[str, Any]]:
    """Run all checks.

    Args:
        manifest: columns of N rows, as `read_manifest` gives them.
        statistics: of the same N pictures.
        file_bytes: int64 `(N,)`, size of each file.
        fewest_calibrating: good pictures that a threshold needs.

    Returns:
        What was found, the gravest first, and the content of the data report.
    """
    properties = {
        "brightness": statistics.brightness, "contrast": statistics.contrast, "colour": statistics.colour,
        "file_bytes": file_bytes, "pixels": manifest["width"] * manifest["height"],
    }  # fmt: skip
    separated = separations(manifest, properties)
    findings = [
        *check_copies(manifest, statistics.grids, ~is_blank(statistics)),
        *check_confounds(manifest, separated),
        *check_single(manifest, statistics),
        *check_counts(manifest, fewest_calibrating=fewest_calibrating),
    ]
    return findings, _report(manifest, findings, separated)


def _report(
    manifest: Mapping[str, np.ndarray], findings: Sequence[Finding], separated: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    defective = manifest["label"] == 1
    pictures = {split: int((manifest["split"] == split).sum()) for split in ("train", "calibration")}
    pictures |= {"test_good": int(((manifest["split"] == "test") & ~defective).sum())}
    return {
        "pictures": pictures | {"test_defective": int(defective.sum())},
        "findings": [finding.record() for finding in findings],
        "auroc_of_properties": {
            name: {title: round(value, 4) for title, value in values.items()} for name, values in separated.items()
        },
    }
