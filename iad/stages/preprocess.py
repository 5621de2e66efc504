"""Stage `preprocess`: every picture and mask decoded once, into arrays that later stages map into memory."""

from __future__ import annotations

from iad.paths import DATA_REPORT, IMAGES, MANIFEST, MASKS, ORIGINALS, RAW_MANIFEST, RAW_REGION, REGION
from iad.progress import say
from iad.words import counted


def preprocess() -> None:
    """Decode and resize all pictures and masks into arrays, and check the data set."""
    from iad.config import load_params
    from iad.data.arrays import build_arrays
    from iad.data.image_size import prepared_size
    from iad.data.manifest import read_manifest, write_manifest
    from iad.datacheck import check_files
    from iad.engine import connected

    params, manifest, made = load_params(), read_manifest(RAW_MANIFEST), (IMAGES, MASKS, REGION)
    size = prepared_size(manifest, params.preprocess)
    how = {"white_16bit": params.preprocess.white_16bit, "threads": params.compute.threads}
    with connected(params.compute.engine, threads=how["threads"]) as engine:
        manifest = build_arrays(ORIGINALS, manifest, *made, size=size, region=RAW_REGION, engine=engine, **how)
    write_manifest(MANIFEST, manifest)
    for finding in check_files(ORIGINALS, manifest, IMAGES, MASKS, DATA_REPORT, region_path=REGION, **how):
        say(f"warning: {finding.line()}")
    say(f"preprocess: {counted(len(manifest), 'picture')} and {counted(manifest['mask'].count(), 'mask')} at {size}")
