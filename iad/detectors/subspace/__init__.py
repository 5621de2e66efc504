"""Distance of each patch to the subspace of the principal axes of all good patches."""

from typing import ClassVar

from pydantic import Field

from iad.detectors.options import OfPlaces
from iad.options import ShareOrCount


class Options(OfPlaces):
    """One subspace for all patches."""

    section: ClassVar[str] = "subspace"

    components: ShareOrCount = Field(0.99, description="share of the variance, or number of principal axes")
