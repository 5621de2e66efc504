"""Single pictures that stand out: blank, clipped, of another size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from iad.datacheck.findings import Finding, counted, percent
from iad.datacheck.statistics import Statistics

if TYPE_CHECKING:
    import pandas as pd

BLANK_CONTRAST = 2.0
"""Grey levels of standard deviation; a picture of a dark chamber holds noise of less than one after resizing."""

CLIPPED_MORE = 0.3
"""Share of black and white pixels above the median of the data set, since parts may be cut out on white."""


def is_blank(statistics: Statistics) -> np.ndarray:
    """Whether each picture shows nothing: its grey levels deviate by less than 2 of 255, bool `(N,)`.

    >>> from iad.datacheck.statistics import measure
    >>> is_blank(measure(np.full((1, 64, 64, 3), 9, np.uint8), threads=1))
    array([ True])
    """
    return np.asarray(statistics.contrast < BLANK_CONTRAST)


def check_single(manifest: pd.DataFrame, statistics: Statistics) -> Iterator[Finding]:
    """Find blank and clipped pictures, and those whose size is not that of most.

    Args:
        manifest: N rows, of which `image_id`, `width` and `height` are read.
        statistics: of the same N pictures.
    """
    ids, blank = manifest["image_id"].to_numpy(), is_blank(statistics)
    if blank.any():
        what = f"{counted(int(blank.sum()), 'picture')} blank (nearly one grey level)"
        yield Finding("blank", what, ids[blank].tolist(), "nothing can be seen on them", "take them again")
    usual = float(np.median(statistics.clipped))
    clipped = ~blank & (statistics.clipped > usual + CLIPPED_MORE)
    if clipped.any():
        what = (
            f"{counted(int(clipped.sum()), 'picture')} over- or underexposed (pure white or black in at least "
            f"{percent(statistics.clipped[clipped].min())} of the pixels, usual here: {percent(usual)})"
        )
        advice = "correct the exposure and take them again"
        yield Finding("saturated", what, ids[clipped].tolist(), "defects in these pixels are lost", advice)
    yield from _odd_sizes(manifest)


def _odd_sizes(manifest: pd.DataFrame) -> Iterator[Finding]:
    sizes = list(zip(manifest["width"].tolist(), manifest["height"].tolist(), strict=True))
    (most, count), *others = Counter(sizes).most_common()
    effect = "all are squeezed into one square, so that parts change their size or shape"
    if others and 2 * count > len(sizes):
        odd = [name for name, size in zip(manifest["image_id"], sizes, strict=True) if size != most]
        what = f"{counted(len(odd), 'picture')} not {most[0]} x {most[1]} px like the other {count}"
        yield Finding("odd_size", what, odd, effect, "crop or take them like the others")
    elif others:
        what = f"{len(others) + 1} sizes of pictures and none of more than half of them"
        yield Finding("mixed_sizes", what, [], effect, "crop all to one size and the same place of the part")
