"""What every section of `params.yaml` is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _share_or_count(value: float) -> float:
    if value > 1 and value != int(value):
        raise ValueError("should be a share below 1 or a whole number")
    return int(value) if value in (0, int(value)) else value


Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]
ShareOrCount = Annotated[float, Field(gt=0, allow_inf_nan=False), AfterValidator(_share_or_count)]
ShareCountOrNone = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(_share_or_count)]  # 0: none


class Section(BaseModel):
    """A part of `params.yaml`: immutable, and every key must be known."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)
