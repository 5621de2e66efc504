"""Stages `extract_resnet`, `extract_vit` and `extract`: embeddings of every picture by one backbone."""

from __future__ import annotations

import math
import shutil
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from iad import paths
from iad.compute import start
from iad.config import Params
from iad.data.image_size import ImageSize
from iad.data.manifest import fingerprint, read_manifest, rows_of
from iad.engine import Engine, connected
from iad.features import Backbone
from iad.features.embedder import Embedder
from iad.features.embeddings import TYPES, Part
from iad.io import new_array, open_array, write_json
from iad.pipeline.disk import disk_line, require_disk
from iad.progress import say
from iad.words import counted

MANY = 1000  # pictures or tiles, below which no time is measured
FILES: dict[Part, str] = {
    "pooled": paths.FEATURES, "patches": paths.PATCHES, "contributions": paths.CONTRIBUTIONS,
}  # fmt: skip


def embed_pictures(params: Params, options: Backbone, folder: Path, *, section: str) -> None:
    """Embed every picture of the data set, and write what the backbone gives.

    Args:
        params: of the run.
        options: of the backbone.
        folder: of the stage.
        section: where the options stand in `params.yaml`.

    Raises:
        IadError: as `iad.features.embedder.Embedder` does; nothing is written then.
    """
    chosen = params.compute
    runtime = start(device=chosen.device, precision=chosen.precision, threads=chosen.threads)
    images, manifest = open_array(paths.IMAGES), read_manifest(paths.MANIFEST)
    stage = ": ".join(folder.relative_to(paths.STAGES).parts)
    with connected(chosen.engine, threads=chosen.threads) as engine:
        if engine is not None:
            runtime = replace(runtime, threads=engine.threads)
        embedder = Embedder(
            options, ImageSize.of_arrays(images), batch_size=chosen.batch_size, runtime=runtime, section=section
        )
        _say_forecast(stage, embedder, images, len(rows_of(manifest, "train")))
        write_embeddings(embedder, images, manifest, folder, engine)
    say(f"{stage}: {_made(embedder, len(images), len(rows_of(manifest, 'train')))}")


def write_embeddings(
    embedder: Embedder, images: np.ndarray, manifest: pd.DataFrame, folder: Path, engine: Engine | None = None
) -> None:
    """Write every part that a backbone gives, the augmented patches of training pictures, and the record.

    A file of an earlier run whose part is not there any more is removed.

    Args:
        embedder: set up for pictures of this size.
        images: uint8 `(N, H, W, 3)`; may be memory-mapped.
        manifest: of these pictures.
        folder: where to; made if it is not there.
        engine: the cluster whose nodes embed; None: this process does.
    """
    with ExitStack() as stack:  # all files appear when all are complete
        arrays: dict[Part, np.ndarray] = {
            part: stack.enter_context(
                new_array(folder / FILES[part], (len(images), *embedder.shapes[part]), TYPES[part])
            )
            for part in embedder.parts
        }
        if engine is None:
            embedder.embed_into(images, arrays)
        else:
            from iad.pipeline.embedding_there import embed_there

            embed_there(engine, embedder, images, arrays)
        _write_augmented(embedder, images, rows_of(manifest, "train"), folder / paths.AUGMENTED, engine)
    for part in FILES.keys() - {*embedder.parts}:
        (folder / FILES[part]).unlink(missing_ok=True)
    of_run = {"runtime": embedder.runtime.record(), "pictures": fingerprint(manifest)}
    write_json(folder / paths.BACKBONE_RECORD, embedder.record() | of_run)


def bytes_on_disk(embedder: Embedder, pictures: int, train: int) -> int:
    """What the embeddings of so many pictures take, so many of which have rotated and flipped copies in the bank."""
    sizes = {part: math.prod(embedder.shapes[part]) * np.dtype(TYPES[part]).itemsize for part in embedder.parts}
    return pictures * sum(sizes.values()) + train * _copies(embedder) * sizes.get("patches", 0)


def _say_forecast(stage: str, embedder: Embedder, images: np.ndarray, train: int) -> None:
    """Refuse what the disk cannot hold, and tell what takes long; files of an earlier run stay until the end."""
    needed = bytes_on_disk(embedder, len(images), train)
    paths.STAGES.mkdir(parents=True, exist_ok=True)
    what, free = f"{stage}: {counted(len(images), 'picture')}", shutil.disk_usage(paths.STAGES).free
    section = stage.removeprefix("extract_").replace("extract: ", "backbones.")
    advice = f"fewer {section}.patches.layers, or {section}.attribution = false, take less"
    require_disk(what, needed, free, f"{advice}, or free some space")
    if len(images) * embedder.tiles.count >= MANY:
        seconds = (len(images) + train * _copies(embedder)) * _seconds_each(embedder, images)
        if line := disk_line(what, needed, free, seconds, advice):
            say(line)


def _seconds_each(embedder: Embedder, images: np.ndarray) -> float:
    """Time that a picture takes about, from a batch of them."""
    some = images[: -(-embedder.batch_size // embedder.tiles.count)]
    for _ in range(2):  # the first one sets up kernels
        begin = time.perf_counter()
        embedder.embed(some)
    return (time.perf_counter() - begin) / len(some)


def _write_augmented(
    embedder: Embedder, images: np.ndarray, train: np.ndarray, path: Path, engine: Engine | None
) -> None:
    if not (copies := _copies(embedder)):
        path.unlink(missing_ok=True)
        return
    with new_array(path, (len(train), copies, *embedder.shapes["patches"]), TYPES["patches"]) as array:
        if engine is None:
            embedder.augment_into(images, train, array)
        else:
            from iad.pipeline.embedding_there import augment_there

            augment_there(engine, embedder, images, train, array)


def _copies(embedder: Embedder) -> int:
    """How many rotated and flipped copies of each training picture are embedded."""
    return len(embedder.orientations) - 1 if "patches" in embedder.parts else 0


def _made(embedder: Embedder, pictures: int, train: int) -> str:
    tiles = f", {embedder.tiles.count} tiles each" if embedder.tiles.count > 1 else ""
    copies = _copies(embedder) * train
    augmented = f", {counted(copies, 'augmented copy', 'augmented copies')} of training pictures" if copies else ""
    how = f"{embedder.backbone.name}, {embedder.runtime.precision}{tiles}{augmented}"
    lacks = f"; no maps of kNN methods: {embedder.lacks}" if embedder.lacks else ""
    return f"{counted(pictures, 'picture')} -> {embedder.shapes['pooled'][0]} numbers each ({how}){lacks}"
