"""Stage `preprocess`: every picture and mask decoded once, into arrays that later stages map into memory."""

from __future__ import annotations

from iad.config import load_params
from iad.data.arrays import build_arrays, stored_sizes
from iad.data.manifest import read_manifest, write_manifest
from iad.datacheck import check_data
from iad.datacheck.statistics import measure
from iad.io import open_array, write_json
from iad.paths import DATA_REPORT, IMAGES, MANIFEST, MASKS, ORIGINALS, RAW_MANIFEST
from iad.progress import say

FEWEST_CALIBRATING = 19  # at 5 % false alarms; fewer allow no such promise (split conformal: 1 / alpha - 1)


def preprocess() -> None:
    """Decode and resize all pictures and masks into arrays, and check the data set."""
    params = load_params()
    manifest = read_manifest(RAW_MANIFEST)
    size = params.preprocess.image_size
    masked = build_arrays(
        ORIGINALS, manifest, IMAGES, MASKS, size=size,
        white_16bit=params.preprocess.white_16bit, threads=params.compute.threads,
    )  # fmt: skip
    write_manifest(MANIFEST, manifest)
    statistics = measure(open_array(IMAGES), threads=params.compute.threads)
    findings, report = check_data(
        manifest, statistics, stored_sizes(ORIGINALS, manifest), fewest_calibrating=FEWEST_CALIBRATING
    )
    write_json(DATA_REPORT, report)
    for finding in findings:
        say(f"warning: {finding.line()}")
    say(f"preprocess: {len(manifest['image_id'])} pictures at {size} x {size} px, {'with' if masked else 'no'} masks")
