"""What is in a data set, in words: counts by split and kind, sizes, pixels, masks and groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from iad.data.formats import Depth, depth_of, open_picture
from iad.data.image_size import ImageSize
from iad.data.manifest import GOOD, GROUP, SPLITS, Picture
from iad.datacheck.counts import check_counts, check_promise
from iad.datacheck.findings import Finding
from iad.datacheck.pictures import check_sizes
from iad.progress import track
from iad.words import as_text, counted, printable

if TYPE_CHECKING:
    import pandas as pd

HEADER = ("split", "kind", "pictures", "with mask", "size in pixels", "pixels")
COLOURS = {"1": "black and white", "L": "grey", "LA": "grey with alpha", "P": "palette", "RGBA": "RGB with alpha"}
MOST_SIZES = 2  # told one by one


def pixel_kinds(pictures: Sequence[Picture], *, max_megapixels: float) -> list[str]:
    """Bits and channels of each picture, as its header has them.

    Args:
        pictures: In the order of the result.
        max_megapixels: The largest accepted picture, in million pixels.

    Raises:
        IadError: as `iad.data.formats.open_picture`.

    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("I;16", (6, 4)).save(file, "PNG")
    >>> pixel_kinds([Picture("a.png", "train", 0, "good", file.getvalue)], max_megapixels=1)
    ['16-bit grey']
    """
    found = []
    for picture in track(pictures, "reading headers", total=len(pictures)):
        image = open_picture(picture.read(), picture.image_id, max_megapixels=max_megapixels)
        depth = depth_of(image)
        colour = "grey" if depth == Depth.GREY_16 else COLOURS.get(image.mode, "RGB")
        found.append(f"{8 if depth == Depth.BITS_8 else 16}-bit {colour}")
    return found


def overview(manifest: pd.DataFrame, pixels: Sequence[str]) -> str:
    """A table of a data set: a row for each split and kind, good pictures first.

    Args:
        manifest: N rows, as `read_manifest` gives them.
        pixels: Of each of them, as `pixel_kinds` gives them.

    >>> import pandas as pd
    >>> columns = {"split": ["train", "test"], "defect": ["good", "cut"], "mask": [None, "m.png"]}
    >>> print(overview(pd.DataFrame(columns | {"width": 64, "height": 48}), ["8-bit grey", "8-bit RGB"]))
    split  kind  pictures  with mask  size in pixels      pixels
    -----  ----  --------  ---------  --------------  ----------
    train  good         1          -         64 x 48  8-bit grey
    test   cut          1          1         64 x 48   8-bit RGB
    """
    table = manifest.assign(pixels=list(pixels))
    rows, before = [], ""
    for split, kind, part in _parts(table):
        masked = int(part["mask"].notna().sum())
        sizes = [f"{width} x {height}" for width, height in zip(part["width"], part["height"], strict=True)]
        row = (
            printable(kind),
            f"{len(part):,}",
            "-" if kind == GOOD else f"{masked:,}",
            _some(sizes),
            _some(list(part["pixels"])),
        )
        rows.append(("" if split == before else split, *row))
        before = split
    return as_text(HEADER, rows)


def group_line(manifest: pd.DataFrame) -> str:
    """How many groups there are on each side of the split; empty where there are none.

    >>> import pandas as pd
    >>> group_line(pd.DataFrame({"split": ["train", "train", "test"], "group": ["A", "A", "B"]}))
    'groups: 1 train, 1 test'
    """
    if GROUP not in manifest:
        return ""
    grouped = manifest[manifest[GROUP] != ""]
    counts = {split: grouped[GROUP][grouped["split"] == split].nunique() for split in SPLITS}
    return "groups: " + ", ".join(f"{count:,} {split}" for split, count in counts.items() if count)


def check_listed(manifest: pd.DataFrame, alpha: float, size: ImageSize) -> list[Finding]:
    """The checks that need no pixels.

    Args:
        manifest: N rows, as `read_manifest` gives them.
        alpha: the rate of false alarms that a threshold shall promise, in (0, 1).
        size: of the prepared pictures.
    """
    promise = list(check_promise(manifest, alpha))
    told = {"few_calibrating"} if promise else set()  # says the same of any rate
    counts = (finding for finding in check_counts(manifest) if finding.check not in told)
    return [*promise, *counts, *check_sizes(manifest, size)]


def examples(manifest: pd.DataFrame, most: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """Split, kind, and rows of a few pictures of each, int64, spread evenly over their names.

    Args:
        manifest: N rows, of which `split` and `defect` are read.
        most: pictures of each.

    >>> import pandas as pd
    >>> [(split, kind, rows.tolist()) for split, kind, rows in examples(
    ...     pd.DataFrame({"split": ["train"] * 6, "defect": ["good"] * 6}), 3)]
    [('train', 'good', [0, 2, 4])]
    """
    for split, kind, part in _parts(manifest):
        rows = part.index.to_numpy()
        few = min(most, len(rows))
        yield split, kind, rows[np.arange(few) * len(rows) // few]


def _parts(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    for split in SPLITS:
        inside = table[table["split"] == split]
        for kind in sorted(set(inside["defect"]), key=lambda kind: (kind != GOOD, kind)):
            yield split, kind, inside[inside["defect"] == kind]


def _some(values: Sequence[str]) -> str:
    common = [value for value, _ in Counter(values).most_common()]
    more = len(common) - MOST_SIZES
    return ", ".join(common[:MOST_SIZES]) + (f" and {counted(more, 'other')}" if more > 0 else "")
