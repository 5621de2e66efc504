"""Section `threshold`: from scores to verdicts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from iad.params.base import Name, Section


class Threshold(Section):
    """How the verdict's threshold follows from calibration scores."""

    strategy: Name
    alpha: Annotated[float, Field(gt=0, lt=1)]
    tail_share: Annotated[float, Field(gt=0, lt=1)]
    percentile: Annotated[float, Field(gt=0, le=100)]
