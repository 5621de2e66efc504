"""Local outlier factor: how much thinner good pictures lie around the embedding than around its neighbours."""

from typing import ClassVar

from pydantic import Field

from iad.detectors.options import Scaled
from iad.options import Count


class Options(Scaled):
    """Ratio of densities."""

    section: ClassVar[str] = "classical.lof"

    n_neighbors: Count = Field(10, description="neighbours of each picture")
