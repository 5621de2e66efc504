"""What detectors of one kind have in common in `params.yaml`."""

from __future__ import annotations

from typing import Annotated

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
