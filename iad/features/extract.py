"""Embeddings of all pictures of a data set, written to a folder: what every extract stage does."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from iad import paths
from iad.compute import Runtime
from iad.features.embedder import TYPES, Embedder, Part
from iad.features.options import Backbone
from iad.io import new_array, write_json

FILES: dict[Part, str] = {
    "pooled": paths.FEATURES, "patches": paths.PATCHES, "contributions": paths.CONTRIBUTIONS,
}  # fmt: skip


def write_embeddings(
    options: Backbone,
    images: np.ndarray,
    train: np.ndarray,
    folder: Path,
    *,
    section: str,
    batch_size: int,
    runtime: Runtime,
) -> str:
    """Write every part that a backbone gives, the augmented patches of training pictures, and the record.

    A file of an earlier run whose part is not there any more is removed.

    Args:
        options: of the backbone.
        images: uint8 `(N, S, S, 3)`; may be memory-mapped.
        train: int64 `(K,)`, rows of the training pictures.
        folder: where to; made if it is not there. Nothing is written before the backbone is ready.
        section: what a refusal calls the options, as "resnet".
        batch_size: pictures or tiles per forward pass.
        runtime: where to compute, and in which precision.

    Returns:
        One line that says what was made, for the person who waits.

    Raises:
        IadError: as `Embedder` does.
    """
    embedder = Embedder(options, images.shape[1], batch_size=batch_size, runtime=runtime, section=section)
    with ExitStack() as stack:
        arrays: dict[Part, np.ndarray] = {
            part: stack.enter_context(
                new_array(folder / FILES[part], (len(images), *embedder.shapes[part]), TYPES[part])
            )
            for part in embedder.parts
        }
        embedder.embed_into(images, arrays)
        copies = _write_augmented(embedder, images, train, folder / paths.AUGMENTED)
    for part in FILES.keys() - {*embedder.parts}:
        (folder / FILES[part]).unlink(missing_ok=True)
    write_json(folder / paths.BACKBONE_RECORD, embedder.record() | {"runtime": runtime.record()})
    return _made(embedder, len(images), copies)


def _write_augmented(embedder: Embedder, images: np.ndarray, train: np.ndarray, path: Path) -> int:
    copies = len(embedder.orientations) - 1
    if not copies or "patches" not in embedder.parts:
        path.unlink(missing_ok=True)
        return 0
    with new_array(path, (len(train), copies, *embedder.shapes["patches"]), TYPES["patches"]) as array:
        embedder.augment_into(images, train, array)
    return len(train) * copies


def _made(embedder: Embedder, pictures: int, copies: int) -> str:
    tiles = f", {embedder.tiles.count} tiles each" if embedder.tiles.count > 1 else ""
    augmented = f", {copies} augmented copies of training pictures" if copies else ""
    how = f"{embedder.backbone.name}, {embedder.runtime.precision}{tiles}{augmented}"
    lacks = f"; no maps of kNN methods: {embedder.lacks}" if embedder.lacks else ""
    return f"{pictures} pictures -> {embedder.shapes['pooled'][0]} numbers each ({how}){lacks}"
