"""Scores to verdicts: thresholds and what they promise, p-values, costs.

Here: section `threshold` of `params.yaml`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from iad.options import Name, Section, Share


class Threshold(Section):
    """How the verdict's threshold follows from calibration scores."""

    strategy: Name = Field(
        "conformal", description="conformal | max | evt | percentile; what each promises is in docs/decisions.md"
    )
    alpha: Share = Field(
        0.05,
        description="conformal, evt: share of good parts to reject, on average; max: warns if it cannot hold it",
    )
    tail_share: Share = Field(0.2, description="evt: share of the scores that counts as tail")
    percentile: Annotated[float, Field(gt=0, le=100)] = Field(
        95, description="percentile: of the out-of-sample scores of good pictures"
    )
