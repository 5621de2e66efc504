"""Distance of the embedding to the subspace that good pictures span."""

from typing import ClassVar

from pydantic import Field

from iad.detectors.options import Scaled
from iad.options import ShareOrCount


class Options(Scaled):
    """Distance to a subspace."""

    section: ClassVar[str] = "classical.pca"

    components: ShareOrCount = Field(0.99, description="share of the variance, or number of components")
