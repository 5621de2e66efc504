"""What every section of `params.yaml` is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A part of `params.yaml`: immutable, and every key must be known."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)
