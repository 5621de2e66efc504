"""A backbone set up for pictures of one size: pooled features, and patch features from the same passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iad.compute import Runtime
from iad.features.backbone import Backbone, extract_features, feature_size
from iad.features.contributions import PlaceWriter
from iad.features.patches import PatchWriter, patch_shape
from iad.features.tiling import Tiles, place_tiles


@dataclass(frozen=True)
class PatchChoice:
    """Which patch features are taken.

    Attributes:
        layers: numbers of blocks of a transformer, or of stages of a CNN; empty: none.
        neighbourhood: odd side of the square, in places, that each feature is averaged over.
        tile: side in pixels of the overlapping tiles that the backbone sees one by one; 0: whole pictures.
        overlap: share of a tile's side that neighbours have in common at least, in [0, 1).
    """

    layers: tuple[int, ...]
    neighbourhood: int
    tile: int
    overlap: float


class Extractor:
    """A backbone, how its features are pooled, and which patch features are taken.

    Args:
        backbone: built for tiles of `patches.tile` pixels, or without tiles for whole pictures.
        image_size: side S of the square pictures in pixels.
        pooling: a key of `iad.features.backbone.POOLINGS`.
        patches: which patch features are taken.
        batch_size: pictures or tiles per forward pass.
        section: what asks for it, for refusals, as "resnet".

    Raises:
        IadError: if the backbone has no such layer or pooling, or tiles do not fit the picture.

    Attributes:
        size: length D of a pooled feature.
        shape: (h, w, D) of a picture's patch features; None if no layer is chosen.
        tiles: where the tiles of a picture lie; None: the backbone sees whole pictures.
    """

    def __init__(
        self, backbone: Backbone, image_size: int, *, pooling: str, patches: PatchChoice, batch_size: int, section: str
    ) -> None:
        self.backbone, self.pooling, self.chosen, self.batch_size = backbone, pooling, patches, batch_size
        self.size = feature_size(backbone, pooling)
        self.shape: tuple[int, int, int] | None = None
        self.tiles: Tiles | None = None
        if patches.layers:
            self.shape = patch_shape(backbone.module, backbone.name, backbone.image_size, patches.layers)
        if patches.tile:
            places = self.shape[0] if self.shape else patches.tile
            self.tiles = place_tiles(image_size, patches.tile, patches.overlap, places, section=section)
            side = self.tiles.grid(places)
            self.shape = (side, side, self.shape[2]) if self.shape else None

    def run(
        self,
        images: np.ndarray | Sequence[np.ndarray],
        features: np.ndarray,
        patches: np.ndarray | None,
        runtime: Runtime,
        places: PlaceWriter | None = None,
    ) -> None:
        """Extract from pictures, uint8 `(N, S, S, 3)`.

        Args:
            images: may be memory-mapped, or any sequence of pictures.
            features: float32 `(N, size)`, filled here.
            patches: float16 `(N, *shape)`, filled here; None: not wanted.
            runtime: where to compute, and in which precision.
            places: where the vectors of places go; None: not wanted.
        """
        extract_features(
            self.backbone, images, features, pooling=self.pooling, runtime=runtime, batch_size=self.batch_size,
            patches=None if patches is None else PatchWriter(patches, self.chosen.layers, self.chosen.neighbourhood),
            tiles=self.tiles, places=places,
        )  # fmt: skip
