"""How many standard deviations the embedding lies from the mean of good pictures."""

from typing import ClassVar, Literal

from pydantic import Field

from iad.detectors.options import Refitted


class Options(Refitted):
    """Deviations from the mean, feature by feature."""

    section: ClassVar[str] = "classical.zscore"

    aggregate: Literal["max", "mean"] = Field("max", description="over the features: max | mean")
