"""Embedding pictures on the nodes of a cluster.

The weights travel as the stage has them: a node needs no file, no wheel and no model hub.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from iad.compute import Runtime, start
from iad.engine import Block, Engine
from iad.engine.columns import Columns
from iad.features.embedder import Embedder
from iad.features.embeddings import TYPES, Part

PIXELS, AUGMENTED = "pixels", "augmented"


def embed_there(engine: Engine, embedder: Embedder, images: np.ndarray, arrays: Mapping[Part, np.ndarray]) -> None:
    """Embed pictures into arrays as `Embedder.embed_into` does, to the same bits on nodes of the same kind.

    Args:
        engine: the cluster.
        embedder: set up as on the nodes.
        images: uint8 `(N, H, W, 3)`; may be memory-mapped.
        arrays: by part, with a row for each picture; may be memory-mapped.
    """
    source = Columns({PIXELS: (images, np.arange(len(images)))})
    each = source.row_bytes + sum(array[0].nbytes for array in arrays.values())
    for rows, found in _embedded(engine, embedder, source, each, augmented=False):
        for part, array in arrays.items():
            array[rows] = found[part]


def augment_there(engine: Engine, embedder: Embedder, images: np.ndarray, rows: np.ndarray, array: np.ndarray) -> None:
    """Embed the patches of rotated and flipped copies as `Embedder.augment_into` does.

    Args:
        engine: the cluster.
        embedder: set up as on the nodes.
        images: uint8 `(N, H, W, 3)`; may be memory-mapped.
        rows: int64 `(K,)`, which of them.
        array: float16 `(K, c, h, w, D)`, filled here; may be memory-mapped.
    """
    source = Columns({PIXELS: (images, rows)})
    for places, found in _embedded(engine, embedder, source, source.row_bytes + array[0].nbytes, augmented=True):
        array[places] = found[AUGMENTED]


class Embed:
    """The work of `embed_there` and `augment_there` on a block of pictures, column `pixels`.

    Args:
        record: of the embedder.
        weights: of its whole backbone.
        runtime: where to compute.
        augmented: whether the copies are wanted, or the pictures as they are.
    """

    def __init__(
        self, record: Mapping[str, Any], weights: Mapping[str, np.ndarray], runtime: Runtime, *, augmented: bool
    ) -> None:
        start(device=runtime.device, precision=runtime.precision, threads=runtime.threads)
        self.embedder = Embedder.from_record(record, weights=weights, device=runtime.device)
        self.augmented = augmented

    def __call__(self, block: Block) -> Block:
        """Every part of the pictures, or `augmented`."""
        pixels, embedder = block[PIXELS], self.embedder
        if not self.augmented:
            arrays = {part: np.empty((len(pixels), *embedder.shapes[part]), TYPES[part]) for part in embedder.parts}
            embedder.embed_into(pixels, arrays)
            return {str(part): array for part, array in arrays.items()}
        shape = len(embedder.orientations) - 1, *embedder.shapes["patches"]
        copies = np.empty((len(pixels), *shape), TYPES["patches"])
        embedder.augment_into(pixels, np.arange(len(pixels)), copies)
        return {AUGMENTED: copies}


def _embedded(
    engine: Engine, embedder: Embedder, source: Columns, each: int, *, augmented: bool
) -> Iterator[tuple[np.ndarray, Block]]:
    make: Callable[[], Embed] = partial(
        Embed, embedder.record(), embedder.state_dict(), embedder.runtime, augmented=augmented
    )
    title = f"embeddings of {embedder.backbone.name}"
    return engine.map(
        make, source, title=title, each=each, batch=embedder.batch_size, threads=embedder.runtime.threads,
        cards=int(embedder.runtime.device == "cuda"),
    )  # fmt: skip
