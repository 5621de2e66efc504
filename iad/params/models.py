"""Sections `ae`, `resnet` and `vit`: what turns pictures into numbers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from iad.params.base import Count, Name, Section, Share


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


class Backbone(Section):
    """A frozen network that turns a picture into features."""

    model: Name
    weights: Annotated[str, Field(pattern=r"^(wheel|hub|file:.+)$")]
    normalize: Literal["model", "imagenet", "half"]


class CnnBackbone(Backbone):
    """A convolutional backbone: its pooled features."""

    pooling: Literal["avg", "max"]


class VitBackbone(Backbone):
    """A vision transformer: which tokens make the feature."""

    pooling: Literal["cls", "patch_mean", "token_mean"]
