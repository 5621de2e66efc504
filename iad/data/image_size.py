"""Height and width of prepared pictures: one for all pictures of a data set, in their shape or square."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from iad.errors import IadError
from iad.progress import say

if TYPE_CHECKING:
    import pandas as pd

    from iad.data import Preprocess

MOST = 4096  # pixels of a side: no file can ask for more memory than that
MULTIPLE = 14  # of so many pixels is the long side, by default: the patch of DINOv2
SHORTS = (224, 336, 448)  # short sides to choose from, in pixels: multiples of 14 and 16
SQUARE = 1.05  # long side over short side up to which pictures become squares: less is no shape, but a cut


class ImageSize(NamedTuple):
    """Height and width in pixels.

    >>> ImageSize.of(224), str(ImageSize(224, 546))
    (ImageSize(height=224, width=224), '546 x 224 px')
    """

    height: int
    width: int

    @classmethod
    def of(cls, given: GivenSize) -> ImageSize:
        """The size itself, of the side of a square or of (height, width)."""
        return cls(given, given) if isinstance(given, int | np.integer) else cls(*given)

    @classmethod
    def of_arrays(cls, pictures: np.ndarray) -> ImageSize:
        """The size of pictures or masks `(N, H, W, ...)`."""
        return cls(*pictures.shape[1:3])

    @property
    def short(self) -> int:
        """The shorter side."""
        return min(self)

    @property
    def plain(self) -> int | list[int]:
        """For files: the side of a square, or [height, width]."""
        return self.height if self.height == self.width else [*self]

    def __str__(self) -> str:
        """As people write it: width first."""
        return f"{self.width} x {self.height} px"


GivenSize: TypeAlias = int | Sequence[int]
"""The side of square pictures in pixels, or their height and width."""


def size_in_shape(short: int, height: np.ndarray, width: np.ndarray, multiple: int) -> ImageSize:
    """The size that gives pictures this short side and, as nearly as may be, their own shape.

    The shape is that of most: the median of height over width. A whole number of patches keeps a transformer from
    refusing it.

    Args:
        short: the short side in pixels.
        height: of the pictures in pixels, `(N,)`.
        width: of the pictures in pixels, `(N,)`.
        multiple: of how many pixels the long side is.

    Raises:
        IadError: if the long side had more than 4,096 pixels.

    >>> size_in_shape(224, np.array([460, 460]), np.array([1130, 1130]), 14)
    ImageSize(height=224, width=546)
    >>> size_in_shape(224, np.array([310]), np.array([300]), 14)  # as good as square
    ImageSize(height=224, width=224)
    """
    shape = float(np.exp(np.median(np.log(height / width))))
    stretch = max(shape, 1 / shape)
    if stretch <= SQUARE:
        return ImageSize(short, short)
    long = max(round(short * stretch / multiple) * multiple, short)
    if long > MOST:
        raise IadError(
            f"preprocess.image_size = {short}: pictures {stretch:,.3g} times as long as wide would become {long} px "
            f"long, of {MOST} at most; lower it, cut the pictures into parts, or set preprocess.shape to square"
        )
    return ImageSize(long, short) if shape > 1 else ImageSize(short, long)


def prepared_size(manifest: pd.DataFrame, chosen: Preprocess) -> ImageSize:
    """The size of all prepared pictures of a data set; the training pictures alone say which shape is usual.

    With `auto` it is the largest of `SHORTS` that enlarges no picture and that the default methods take at most
    `max_minutes` for, else the smallest; which one is told.

    Args:
        manifest: `split`, `height` and `width` of every picture.
        chosen: section `preprocess` of `params.yaml`.

    Raises:
        IadError: as `size_in_shape`.

    >>> import pandas as pd
    >>> from iad.data import Preprocess
    >>> manifest = pd.DataFrame({"split": ["train", "test"], "height": [100, 900], "width": [200, 100]})
    >>> given = Preprocess(image_size=224)
    >>> prepared_size(manifest, given), prepared_size(manifest, given.model_copy(update={"shape": "square"})).short
    (ImageSize(height=224, width=448), 224)
    """
    training = manifest[np.asarray(manifest["split"]) == "train"]
    height, width = (training[side].to_numpy() for side in ("height", "width"))

    def of(short: int) -> ImageSize:
        square = chosen.shape == "square"
        return ImageSize.of(short) if square else size_in_shape(short, height, width, chosen.multiple)

    if chosen.image_size != "auto":
        return of(chosen.image_size)
    size, why = auto_size(of, np.minimum(height, width), len(manifest), max_minutes=chosen.max_minutes)
    say(f"preprocess: {size}, {why}")
    return size


def auto_size(
    of: Callable[[int], ImageSize], shorts: np.ndarray, pictures: int, *, max_minutes: float
) -> tuple[ImageSize, str]:
    """The largest of the sizes to choose from that enlarges no picture and is not too slow, else the smallest.

    Args:
        of: from a short side to the size of prepared pictures.
        shorts: short sides of the training pictures, in pixels, `(N,)`.
        pictures: how many there are, those for testing among them.
        max_minutes: that the six default methods may take on two cores, an estimate.

    Returns:
        The size, and why that one, in words.

    >>> auto_size(ImageSize.of, np.array([400] * 20), 40, max_minutes=30)
    (ImageSize(height=336, width=336), 'of pictures of 400 px: about 1 of 30 minutes')
    """
    own = float(np.median(shorts))
    fitting = [size for short in SHORTS[1:] if short <= own if max(size := of(short)) <= MOST]
    sizes = [of(SHORTS[0]), *fitting]
    taken = {size: minutes(size, pictures, len(shorts)) for size in sizes}
    best = max((size for size in sizes if taken[size] <= max_minutes), default=sizes[0])
    return best, f"of pictures of {own:,.0f} px: about {taken[best]:,.0f} of {max_minutes:g} minutes"


def minutes(size: ImageSize, pictures: int, training: int) -> float:
    """What the six default methods take about on two cores with AVX2, from embeddings to scores, in minutes.

    Embeddings take time in proportion to the pixels, a transformer's attention to their square; so does the comparison
    of all pictures with a bank of the training pictures. The numbers are those of `docs/measurements.md`.

    >>> round(minutes(ImageSize(224, 224), 901, 411)), round(minutes(ImageSize(448, 448), 901, 411))
    (9, 101)
    """
    area = size.height * size.width / 224**2
    embedding = 0.17 * (1 + 0.11 * (area - 1)) * area * pictures
    search = 5.5e-4 * (1.35 if size.short >= 336 else 1)  # where the CNN's next layer joins
    return (embedding + 0.5 * area * training + search * area**2 * pictures * training) / 60
