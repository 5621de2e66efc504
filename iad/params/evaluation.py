"""Section `evaluate`: what the report holds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from iad.params.base import Section, Share


class Evaluate(Section):
    """Intervals and pictures of the report."""

    bootstrap: Annotated[int, Field(ge=0, le=1_000_000)]
    confidence: Share
    strip: Annotated[int, Field(ge=1, le=24)]
    map_sigma: Annotated[float, Field(ge=0, le=0.25)]
    pixel_threshold: Literal["pixel_share", "picture_maximum"]
    pixel_rate: Share
    red_rate: Share
