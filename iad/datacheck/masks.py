"""Masks that cannot mean what they say: nothing is marked, or everything, or nearly everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from iad.datacheck.findings import Finding
from iad.words import counted, percent

if TYPE_CHECKING:
    import pandas as pd

MOST = 0.5
"""Share of a picture, and of its outermost pixels, from which on a mask marks the part rather than the defect."""


def check_masks(manifest: pd.DataFrame, masks: np.ndarray, *, region: bool = False) -> Iterator[Finding]:
    """Find masks of defective pictures that mark nothing or everything, or look like black and white exchanged.

    Args:
        manifest: N rows, of which `label` and `mask` are read.
        masks: uint8 `(N, H, W)`, 1 where defective; may be mapped from a file.
        region: whether they were cut to a region of interest.

    >>> import pandas as pd
    >>> manifest = pd.DataFrame({"label": [1, 1], "mask": ["a.png", "b.png"]})
    >>> masks = np.ones((2, 10, 10), np.uint8)
    >>> masks[:, 4:6, 4:6] = 0
    >>> [finding.check for finding in check_masks(manifest, masks)]
    ['inverted_masks']
    """
    rows = np.flatnonzero((manifest["label"].to_numpy() == 1) & manifest["mask"].notna().to_numpy())
    names = manifest["mask"].to_numpy()
    marked = np.array([masks[row].mean() for row in rows])
    if empty := names[rows[marked == 0]].tolist():
        what = f"{counted(len(empty), 'mask')} of {counted(len(rows), 'defective test picture')} with one mark nothing"
        effect, advice = "pixel metrics leave them out", "draw the defect, or delete the mask"
        if region:
            what += " inside of the region of interest"
            effect = f"no method can see such a defect, and {effect}"
            advice = "draw the region wider, or leave these pictures out"
        yield Finding("empty_masks", what, empty, effect, advice)
    if full := names[rows[marked == 1]].tolist():
        what = (
            f"{counted(len(full), 'mask')} of {counted(len(rows), 'defective test picture')} with one mark everything"
        )
        effect = "any map finds such a defect, so that pixel metrics tell nothing of these pictures"
        yield Finding("full_masks", what, full, effect, "draw the defect, or delete the mask")
    large = np.array([
        MOST < share < 1 and _border(masks[row]) > MOST for row, share in zip(rows, marked, strict=True)
    ])  # fmt: skip
    if large.any():
        what = (
            f"{int(large.sum())} of {counted(len(rows), 'mask')} mark most of the picture and of its border "
            f"({percent(round(float(np.median(marked[large])), 3))} of the pixels, their median)"
        )
        effect = "pixel metrics then tell how well the good rest is found"
        advice = "if black and white are exchanged, write the complement (255 - value): what is not black is the defect"
        yield Finding("inverted_masks", what, names[rows[large]].tolist(), effect, advice)


def _border(mask: np.ndarray) -> float:
    """Share of the outermost pixels that are marked."""
    return float(np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).mean())
