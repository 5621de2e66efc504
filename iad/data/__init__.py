"""Sources, decoding, the manifest, arrays of pictures."""

from typing import Annotated, Literal

from pydantic import Field

from iad.options import Section


class Preprocess(Section):
    """How pictures become arrays."""

    image_size: Annotated[int, Field(ge=32, le=2048)] = Field(
        224, description="pixels on the short side, after resizing"
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
