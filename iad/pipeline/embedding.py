"""Stages `extract_resnet`, `extract_vit` and `extract`: embeddings of every picture by one backbone."""

from __future__ import annotations

from pathlib import Path

from iad import paths
from iad.compute import start
from iad.config import Params
from iad.data.manifest import read_manifest, rows_of
from iad.features.extract import write_embeddings
from iad.features.options import Backbone
from iad.io import open_array
from iad.progress import say


def embed_pictures(params: Params, options: Backbone, folder: Path, *, section: str) -> None:
    """Embed every picture of the data set, and write what the backbone gives.

    Args:
        params: of the run.
        options: of the backbone.
        folder: of the stage.
        section: where the options stand in `params.yaml`.

    Raises:
        IadError: as `iad.features.embedder.Embedder` does.
    """
    chosen = params.compute
    runtime = start(device=chosen.device, precision=chosen.precision, threads=chosen.threads)
    images, train = open_array(paths.IMAGES), rows_of(read_manifest(paths.MANIFEST), "train")
    made = write_embeddings(
        options, images, train, folder, section=section, batch_size=chosen.batch_size, runtime=runtime
    )
    say(f"{folder.relative_to(paths.STAGES)}: {made}")
