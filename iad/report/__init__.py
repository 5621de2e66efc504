"""What a run comes to: tables, galleries and figures.

Here: sections `costs` and `evaluate` of `params.yaml`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from iad.options import Section, Share

Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Costs(Section):
    """Prices of both mistakes, how many parts of the line are defective, and how many good ones may be rejected."""

    miss: Price = Field(10, description="price of a defective part that passes")
    false_alarm: Price = Field(1, description="price of a good part that is rejected")
    defect_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        0.02, description="share of the line's parts that are defective; the test set's share never counts"
    )
    max_false_alarm_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        0.05, description="of the cheapest threshold that is looked for"
    )


class Evaluate(Section):
    """Intervals and pictures of the report."""

    bootstrap: Annotated[int, Field(ge=0, le=1_000_000)] = Field(2000, description="draws behind each interval")
    confidence: Share = Field(0.95, description="of the intervals")
    strip: Annotated[int, Field(ge=1, le=24)] = Field(8, description="pictures per strip of misses and false alarms")
    map_sigma: Annotated[float, Field(ge=0, le=0.25)] = Field(
        0.012,
        description="smoothing of anomaly maps, a share of the short side: 2.7 px at 224 (the field: 4 at 256)",
    )
    pixel_threshold: Literal["pixel_share", "picture_maximum"] = Field(
        "pixel_share",
        description="for pixel F1 and IoU, from good pictures alone: pixel_share | picture_maximum",
    )
    pixel_rate: Share = Field(
        0.001, description="share of good pixels, or (picture_maximum) of good pictures, that may be marked"
    )
    red_rate: Share = Field(0.05, description="galleries: share of good pictures that may show any red, on average")
