"""Negative log likelihood of the embedding under a mixture of Gaussians."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from iad.detectors.options import Scaled
from iad.options import Count, ShareCountOrNone


class Options(Scaled):
    """A density of good pictures."""

    section: ClassVar[str] = "classical.gmm"

    components: Count = Field(3, description="Gaussians")
    covariance: Literal["full", "tied", "diag", "spherical"] = Field(
        "diag", description="full | tied | diag | spherical"
    )
    pca: ShareCountOrNone = Field(0.99, description="principal components that are modelled, as in method")
    regularization: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        1.0e-6, description="added to each variance"
    )
