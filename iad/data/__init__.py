"""Sources, decoding, the manifest, arrays of pictures."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from iad.options import Section


def _side_or_auto(value: Any) -> Any:
    side = 32 if value == "auto" else value
    if isinstance(side, bool) or not isinstance(side, int) or not 32 <= side <= 2048:
        raise ValueError("should be a whole number from 32 to 2048, or auto")
    return value


SideOrAuto = Annotated[int | Literal["auto"], BeforeValidator(_side_or_auto)]


class Preprocess(Section):
    """How pictures become arrays."""

    image_size: SideOrAuto = Field(
        "auto", description="pixels on the short side, after resizing; auto: 224, 336 or 448, as the budget allows"
    )
    max_minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        30.0, description="auto: what the six default methods may take on two cores, an estimate"
    )
    shape: Literal["pictures", "square"] = Field(
        "pictures", description="of prepared pictures: that of most training pictures, or a square"
    )
    multiple: Annotated[int, Field(ge=1, le=64)] = Field(
        14, description="the long side is a multiple of so many pixels: the patch of a transformer, 14 for DINOv2"
    )
    white_16bit: Annotated[int, Field(ge=255, le=65535)] = Field(
        65535, description="the value of a 16-bit picture that becomes white; 4095 for 12-bit cameras"
    )
