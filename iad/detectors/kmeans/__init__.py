"""Distance of the embedding to the nearest of the centres that sum up the good pictures."""

from typing import ClassVar

from pydantic import Field

from iad.detectors.options import Scaled
from iad.options import Count


class Options(Scaled):
    """Distance to the nearest centre."""

    section: ClassVar[str] = "classical.kmeans"

    clusters: Count = Field(20, description="number of centres")
