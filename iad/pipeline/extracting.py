"""Stages `extract_resnet`, `extract_vit` and `extract`: embeddings of every picture by one backbone."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from iad import compute, paths
from iad.config import Params
from iad.data.manifest import read_manifest, rows_of
from iad.features.extract import write_embeddings
from iad.features.options import Backbone
from iad.io import open_array
from iad.progress import say


def extract_embeddings(params: Params, section: str, folder: Path) -> None:
    """Embed every picture with a backbone, and write what it gives.

    Args:
        params: all of them.
        section: where the backbone's options stand, as "vit" or "backbones.wide".
        folder: of the stage.

    Raises:
        IadError: if there is no such backbone, or its weights cannot be had.
    """
    chosen, options = params.compute, cast("Backbone", params.options(section))
    runtime = compute.start(device=chosen.device, precision=chosen.precision, threads=chosen.threads)
    images, train = open_array(paths.IMAGES), rows_of(read_manifest(paths.MANIFEST), "train")
    made = write_embeddings(
        options, images, train, folder, section=section, batch_size=chosen.batch_size, runtime=runtime
    )
    say(f"{folder.relative_to(paths.STAGES).as_posix()}: {made}")
