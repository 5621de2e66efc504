"""Stage `extract`: embeddings of every picture by a further backbone, an entry of `backbones` in params.yaml."""

from __future__ import annotations

from typing import Annotated

import typer

from iad import paths
from iad.compute import start
from iad.config import load_params
from iad.data.manifest import read_manifest, rows_of
from iad.errors import unknown
from iad.io import open_array
from iad.progress import say


def extract(name: Annotated[str, typer.Argument(help="A key of `backbones` in params.yaml.")]) -> None:
    """Embed every picture with a further backbone."""
    from iad.features.extract import write_embeddings

    params = load_params()
    if name not in params.backbones:
        raise unknown("backbone", name, params.backbones)
    wanted = params.compute
    runtime = start(device=wanted.device, precision=wanted.precision, threads=wanted.threads)
    images, train = open_array(paths.IMAGES), rows_of(read_manifest(paths.MANIFEST), "train")
    made = write_embeddings(
        params.backbones[name], images, train, paths.EXTRACT / name, section=f"backbones.{name}",
        batch_size=wanted.batch_size, runtime=runtime,
    )  # fmt: skip
    say(f"extract: {name}: {made}")
