"""What detectors of one kind have in common in `params.yaml`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from iad.options import DetectorOptions


class Refitted(DetectorOptions):
    """A detector that is fitted anew for each fold of good pictures."""

    folds: Annotated[int, Field(ge=2, le=1000)] = Field(
        5, description="good pictures are scored by fits to the other folds, unless there is a calibration folder"
    )


class Scaled(Refitted):
    """One that may scale the features first."""

    standardize: bool = Field(default=False, description="scale every feature first, as in method")


class OfPlaces(DetectorOptions):
    """A detector that scores every place of a picture, and the picture by its worst places."""

    aggregate: Literal["max", "top", "mean"] = Field(
        "top", description="max: the worst place makes the score; top: the mean of the worst places; mean: of all"
    )
    top_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.011, description="top: share of the places that counts as worst; one place at least"
    )
    calibration: Annotated[int, Field(ge=0)] = Field(
        200, description="good pictures scored as if they were not there, at most; drawn at random; 0: all"
    )
