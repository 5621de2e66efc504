"""Reconstruction error of a convolutional autoencoder that was trained on good pictures."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from iad.options import Count, DetectorOptions, Section, Share


class HeldOut(Section):
    """Shares of the good training pictures that the autoencoder never learns from."""

    early_stopping: Share = Field(0.1, description="share of the good training pictures")
    calibration: Share = Field(0.2, description="another share, which sets the threshold")


class Training(Section):
    """How the autoencoder is built and trained: section `ae`."""

    width: Annotated[int, Field(ge=1, le=512)] = Field(
        16, description="channels of the first layer; doubles with each of the four"
    )
    latent_channels: Annotated[int, Field(ge=1, le=2048)] = Field(
        16, description="channels of the code, at 1/16 of the picture's side"
    )
    epochs: Annotated[int, Field(ge=0)] = Field(30, description="passes over the pictures, at most")
    patience: Count = Field(8, description="epochs without a better early-stopping loss")
    batch_size: Count = Field(8, description="pictures per step")
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Field(0.002, description="highest point of its one cycle")
    augment: bool = Field(default=True, description="flips and quarter turns")
    held_out: HeldOut = HeldOut()


class Options(DetectorOptions):
    """How an error map becomes one score."""

    section: ClassVar[str] = "reconstruction"

    cell: Annotated[int, Field(ge=1, le=64)] = Field(
        4, description="errors are averaged over squares of this many pixels first"
    )
    normalize: bool = Field(
        default=True, description="set each error against what good pictures show at the same place"
    )
    aggregate: Literal["mean", "top"] = Field(
        "top", description="mean: over the whole picture (the study); top: over the worst share of it"
    )
    top_share: Annotated[float, Field(gt=0, le=1)] = Field(0.01, description="top: which share")
