"""Stage `download`: the pictures of the chosen source, in one file, and their list."""

from __future__ import annotations

from typing import Any

from iad.config import Data, load_params
from iad.data.manifest import summary
from iad.data.originals import write_originals
from iad.data.sources import load_pictures
from iad.paths import DATA, ORIGINALS, RAW_MANIFEST
from iad.progress import say


def download() -> None:
    """Fetch the pictures of `data.source`, check and list them."""
    params = load_params()
    data = params.data
    pictures = load_pictures(data.source, data.category, seed=params.seed, options=_options(data))
    manifest = write_originals(
        pictures, ORIGINALS, RAW_MANIFEST, max_megapixels=data.max_megapixels, allow_shared=data.allow_shared
    )
    say(f"download: {summary(manifest)} from {data.source}/{data.category}")


def _options(data: Data) -> dict[str, Any]:
    # only the chosen source's leaves are read, since DVC re-runs the stage for those
    match data.source:
        case "elpv":
            return {"train_share": data.elpv.train_share, "doubtful": data.elpv.doubtful}
        case "folder":
            return {"root": DATA, "train_share": data.folder.train_share}
        case "mvtec":
            return {"path": data.mvtec.path}
        case "synthetic":
            sizes = data.synthetic
            return {"train": sizes.train, "good": sizes.good, "defective": sizes.defective, "size": sizes.size}
    return {}
