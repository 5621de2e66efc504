"""Stage `download`: the pictures of the chosen source, in one file, and their list."""

from __future__ import annotations

from iad.paths import DATA, ORIGINALS, RAW_MANIFEST, RAW_REGION
from iad.progress import say


def download() -> None:
    """Fetch the pictures of `data.source`, check and list them."""
    from iad.config import load_params
    from iad.data.manifest import summary
    from iad.data.packing import write_originals
    from iad.data.region import keep_region
    from iad.data.sources import load_pictures

    params = load_params()
    data = params.data
    options = dict(getattr(data, data.source))  # those of other sources are not read, so that DVC passes them over
    pictures = load_pictures(data.source, data.category, seed=params.seed, options=options, root=DATA)
    manifest = write_originals(
        pictures, ORIGINALS, RAW_MANIFEST, max_megapixels=data.max_megapixels, allow_shared=data.allow_shared
    )
    if found := keep_region(DATA / data.category, manifest, RAW_REGION, max_megapixels=data.max_megapixels):
        say(f"download: {found}")
    say(f"download: {summary(manifest)} from {data.source}/{data.category}")
