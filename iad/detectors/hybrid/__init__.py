"""Several detectors on one scale, which good pictures set, fused into one."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from iad.options import DetectorOptions, Name


def _distinct(members: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(members)) < len(members):
        raise ValueError("name each member once")
    return members


class Options(DetectorOptions):
    """Methods whose scores are fused, and how; no weights means equal ones."""

    section: ClassVar[str] = "hybrids.*"

    members: Annotated[tuple[Name, ...], Field(min_length=2, max_length=4), AfterValidator(_distinct)] = Field(
        description="two to four methods"
    )
    how: Literal["mean", "max"] = Field("mean", description="mean | max of their evidence")
    weights: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...] = Field(
        (), description="one per member, [] means equal"
    )

    @field_validator("weights")
    @classmethod
    def _fit_members(cls, weights: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        members = info.data.get("members", ())
        if weights and (len(weights) != len(members) or not any(weights)):
            raise ValueError(f"give one weight to each of {', '.join(members)}, not all 0; or [], which means equal")
        return weights
