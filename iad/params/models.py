"""Sections `ae`, `resnet` and `vit`: what turns pictures into numbers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from iad.params.base import Count, Name, Section, Share


def _ascending(layers: tuple[int, ...]) -> tuple[int, ...]:
    if list(layers) != sorted(set(layers)):
        raise ValueError("name each layer once, in ascending order")
    return layers


def _odd(side: int) -> int:
    if side % 2 == 0:
        raise ValueError("must be odd, so that the square has a middle")
    return side


class HeldOut(Section):
    """Shares of the good training pictures that the autoencoder never learns from."""

    early_stopping: Share
    calibration: Share


class Autoencoder(Section):
    """How the autoencoder is built and trained."""

    width: Annotated[int, Field(ge=1, le=512)]
    latent_channels: Annotated[int, Field(ge=1, le=2048)]
    epochs: Annotated[int, Field(ge=0)]
    patience: Count
    batch_size: Count
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    augment: bool
    held_out: HeldOut


class Patches(Section):
    """The patch features that a backbone keeps beside its pooled ones."""

    layers: Annotated[tuple[Annotated[int, Field(ge=0)], ...], AfterValidator(_ascending)]
    neighbourhood: Annotated[int, Field(ge=1, le=15), AfterValidator(_odd)]
    tile: Annotated[int, Field(ge=0)]
    overlap: Annotated[float, Field(ge=0, le=0.75)]
    turns: Annotated[int, Field(ge=1, le=72)]
    mirror: bool


class Backbone(Section):
    """A frozen network that turns a picture into features."""

    model: Name
    weights: Annotated[str, Field(pattern=r"^(wheel|hub|file:.+)$")]
    normalize: Literal["model", "imagenet", "half"]
    attribution: bool
    patches: Patches
    depth: Annotated[int, Field(ge=1)] | None
    quantize: Literal["none", "int8"]

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


class CnnBackbone(Backbone):
    """A convolutional backbone: its pooled features."""

    pooling: Literal["avg", "max"]


class VitBackbone(Backbone):
    """A vision transformer: which tokens make the feature."""

    pooling: Literal["cls", "patch_mean", "token_mean"]
