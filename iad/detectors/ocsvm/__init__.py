"""One-class support vector machine: on which side of the boundary around good pictures, and how far."""

from typing import Annotated, ClassVar

from pydantic import Field

from iad.detectors.options import Scaled


class Options(Scaled):
    """Side of a boundary."""

    section: ClassVar[str] = "classical.ocsvm"

    nu: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, description="at most this share of the pictures fitted to lies outside"
    )
    gamma: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        1.0, description="of its kernel; 1: one over the sum of the features' variances"
    )
