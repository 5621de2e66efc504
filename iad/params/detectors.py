"""Sections that tune a method: what turns numbers into anomaly scores."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from iad.params.base import Count, Section


class Reconstruction(Section):
    """How an error map becomes one score."""

    cell: Annotated[int, Field(ge=1, le=64)]
    normalize: bool
    aggregate: Literal["mean", "top"]
    top_share: Annotated[float, Field(gt=0, le=1)]


class Method(Section):
    """The nearest-neighbour search that every kNN method shares."""

    k: Count
    metric: Literal["euclidean", "cosine"]
    standardize: bool
    aggregate: Literal["mean", "kth"]
