"""Stage `preprocess`: every picture and mask decoded once, into arrays that later stages map into memory."""

from __future__ import annotations

from iad.data.arrays import build_arrays
from iad.data.manifest import read_manifest, write_manifest
from iad.params import load_params
from iad.paths import IMAGES, MANIFEST, MASKS, ORIGINALS, RAW_MANIFEST
from iad.progress import say


def preprocess() -> None:
    """Decode and resize all pictures, and their masks, into arrays."""
    params = load_params()
    manifest = read_manifest(RAW_MANIFEST)
    size = params.preprocess.image_size
    masked = build_arrays(
        ORIGINALS, manifest, IMAGES, MASKS, size=size,
        white_16bit=params.preprocess.white_16bit, threads=params.compute.threads,
    )  # fmt: skip
    write_manifest(MANIFEST, manifest)
    say(f"preprocess: {len(manifest['image_id'])} pictures at {size} x {size} px, {'with' if masked else 'no'} masks")
