"""Whether a bundle can be trusted with a line: what repeated pictures of the same parts show, on a page to be signed.

The methods are those of the automotive industry's manual on measurement systems (AIAG, "Measurement Systems Analysis",
4th edition, 2010), with exact intervals where the manual has none.

Here: what a study is held to.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from iad.options import Section, Share

Percent = Annotated[float, Field(gt=0, lt=100, allow_inf_nan=False)]
Kappa = Annotated[float, Field(gt=0, le=1)]


class Criteria(Section):
    """What a bundle must reach to be accepted; between a pair of limits it is accepted with conditions."""

    grr: tuple[Percent, Percent] = Field(
        (10, 30), description="percent of study variation that is the gauge's: good up to, accepted up to"
    )
    kappa: tuple[Kappa, Kappa] = Field((0.9, 0.75), description="kappa of the verdict: good from, accepted from")
    ndc: Annotated[int, Field(ge=1)] = Field(5, description="least number of distinct categories")
    missed: Percent | None = Field(None, description="percent of defective parts that may be missed, to be shown")
    false_alarms: Percent | None = Field(None, description="percent of good parts that may be rejected, to be shown")
    confidence: Share = Field(0.95, description="of intervals, and of what is shown")

    @model_validator(mode="after")
    def _in_order(self) -> Criteria:
        if self.grr[0] > self.grr[1]:
            raise ValueError(f"grr: good up to {self.grr[0]:g} is more than accepted up to {self.grr[1]:g}")
        if self.kappa[0] < self.kappa[1]:
            raise ValueError(f"kappa: good from {self.kappa[0]:g} is less than accepted from {self.kappa[1]:g}")
        return self
