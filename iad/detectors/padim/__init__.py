"""Mahalanobis distance of each patch to a Gaussian of the good patches at its place (PaDiM)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from iad.detectors.options import OfPlaces
from iad.options import Count

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Options(OfPlaces):
    """A Gaussian per place."""

    section: ClassVar[str] = "padim"
    by_place: ClassVar[bool] = True

    features: Count = Field(100, description="features of a patch that count, drawn at random; all where it has fewer")
    shrinkage: Literal["ledoit_wolf", "none"] = Field(
        "ledoit_wolf", description="of the covariances towards equal variances: ledoit_wolf | none (the paper)"
    )
    epsilon: Positive = Field(
        0.01, description="added to each variance, in units of the mean variance over all places and features"
    )
