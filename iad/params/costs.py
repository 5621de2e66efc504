"""Section `costs`: what wrong verdicts cost on the line."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from iad.params.base import Section

Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Costs(Section):
    """Prices of both mistakes, how many parts of the line are defective, and how many good ones may be rejected."""

    miss: Price
    false_alarm: Price
    defect_rate: Annotated[float, Field(ge=0, le=1)]
    max_false_alarm_rate: Annotated[float, Field(ge=0, le=1)]
