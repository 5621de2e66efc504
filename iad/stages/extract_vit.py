"""Stage `extract_vit`: embeddings of every picture by the vision transformer."""

from __future__ import annotations

from iad import paths
from iad.compute import start
from iad.config import load_params
from iad.data.manifest import read_manifest, rows_of
from iad.io import open_array
from iad.progress import say


def extract_vit() -> None:
    """Embed every picture with the vision transformer."""
    from iad.features.extract import write_embeddings

    params = load_params()
    wanted = params.compute
    runtime = start(device=wanted.device, precision=wanted.precision, threads=wanted.threads)
    images, train = open_array(paths.IMAGES), rows_of(read_manifest(paths.MANIFEST), "train")
    made = write_embeddings(
        params.vit, images, train, paths.EXTRACT_VIT, section="vit", batch_size=wanted.batch_size, runtime=runtime
    )
    say(f"extract_vit: {made}")
