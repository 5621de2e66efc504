"""How few random cuts part the embedding from those of good pictures."""

from typing import ClassVar

from pydantic import Field

from iad.detectors.options import Scaled
from iad.options import Count


class Options(Scaled):
    """Number of random cuts."""

    section: ClassVar[str] = "classical.isolation_forest"

    trees: Count = Field(100, description="number of trees")
