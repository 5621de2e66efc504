"""Generated carpets of any size and number, with five kinds of defect and exact masks; drawn when they are read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from iad.errors import unknown
from iad.options import Count, SourceOptions

if TYPE_CHECKING:
    import numpy as np

    from iad.data.manifest import Picture

CATEGORIES = ("carpet",)
FASTEST = 1  # zlib level: noise hardly compresses, so more effort costs time and saves nothing


class Options(SourceOptions):
    """How many carpets are woven, and how large."""

    categories: ClassVar[str] = ", ".join(CATEGORIES)

    train: Count = Field(60, description="good carpets for training")
    good: Annotated[int, Field(ge=0)] = Field(30, description="good carpets for testing")
    defective: Annotated[int, Field(ge=0)] = Field(10, description="carpets per kind of defect, for testing")
    size: Annotated[int, Field(ge=32, le=4096)] = Field(256, description="pixels on a side")


def load(category: str, *, seed: int, train: int, good: int, defective: int, size: int) -> list[Picture]:
    """List generated carpets; picture i of a series is the same however long the series is.

    Args:
        category: "carpet".
        seed: Of all pictures.
        train: Number of good carpets for training.
        good: Number of good carpets for testing.
        defective: Number of carpets of each kind of defect, for testing.
        size: Side in pixels.

    Raises:
        IadError: if the category is unknown.

    Example:
        >>> pictures = load("carpet", seed=0, train=2, good=1, defective=1, size=64)
        >>> [picture.image_id for picture in pictures[:4]]
        ['train/good/000000.png', 'train/good/000001.png', 'test/good/000000.png', 'test/color/000000.png']
    """
    from iad.data.carpet import DEFECTS
    from iad.data.manifest import GOOD

    if category not in CATEGORIES:
        raise unknown("synthetic category", category, CATEGORIES)
    series = [("train", GOOD, train), ("test", GOOD, good), *(("test", defect, defective) for defect in DEFECTS)]
    return [
        _picture(split, defect, seed, stream, index, size)
        for stream, (split, defect, count) in enumerate(series)
        for index in range(count)
    ]


def _picture(split: str, defect: str, seed: int, stream: int, index: int, size: int) -> Picture:
    from iad.data.manifest import GOOD, Label, Picture

    name = f"{defect}/{index:06d}"
    if defect == GOOD:
        read = partial(_read, seed, stream, index, size, None)
        return Picture(f"{split}/{name}.png", split, Label.NORMAL, defect, read)
    return Picture(
        f"{split}/{name}.png", split, Label.ANOMALOUS, defect,
        read=partial(_read, seed, stream, index, size, defect),
        mask=f"ground_truth/{name}_mask.png",
        read_mask=partial(_read_mask, seed, stream, index, size, defect),
    )  # fmt: skip


def _read(seed: int, stream: int, index: int, size: int, defect: str | None) -> bytes:
    from iad.data.carpet import draw

    return _png(draw(seed, stream, index, size, defect)[0])


def _read_mask(seed: int, stream: int, index: int, size: int, defect: str) -> bytes:
    from iad.data.carpet import draw

    return _png(draw(seed, stream, index, size, defect)[1] * 255)


def _png(pixels: np.ndarray) -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=FASTEST)
    return file.getvalue()
