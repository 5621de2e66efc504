"""ELPV: 2,624 solar cells seen by electroluminescence, 300 x 300 px, grey, each with its probability of a defect.

C. Buerhop-Lutz et al., "A Benchmark for Visual Identification of Defective Solar Cells in Electroluminescence Imagery",
EU PVSEC 2018; S. Deitsch et al., "Automatic classification of defective photovoltaic module cells in
electroluminescence images", Solar Energy 185, 2019; S. Deitsch et al., "Segmentation of photovoltaic module cells in
uncalibrated electroluminescence images", Machine Vision and Applications 32, 2021. Licence: CC BY-NC-SA 4.0, not for
commercial use.

The pictures ship in the wheel `elpv-dataset`. The data set has no split of its own; here it is drawn by seed.
"""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from iad.errors import IadError, unknown
from iad.options import Share, SourceOptions

if TYPE_CHECKING:
    from iad.data.manifest import Picture

PACKAGE, VERSION, MEGABYTES = "elpv-dataset", "1.0.0.post1", 91
SHA256 = "85e31c1126ee9b48e62d3a0232c58f58b2d189b0814a45c13642fa0415af4a4c"
FOLDER = "elpv_dataset/data"
LABELS = f"{FOLDER}/labels.csv"
CATEGORIES = {"mono": ("mono",), "poly": ("poly",), "all": ("mono", "poly")}
DEFECTS = {0: "good", 1: "possibly_defective", 2: "probably_defective", 3: "defective"}
"""Names by probability in thirds, as two annotators gave it: 0, 1/3, 2/3, 1."""


class Options(SourceOptions):
    """The ELPV split: what share of the good cells trains, and what becomes of the doubtful ones."""

    categories: ClassVar[str] = ", ".join(CATEGORIES)

    train_share: Share = Field(0.7, description="of the good cells; the rest is for testing")
    doubtful: Literal["drop", "normal", "anomalous"] = Field(
        "drop", description="cells with probability 1/3 or 2/3: drop | normal | anomalous"
    )


def load(
    category: str, *, seed: int, train_share: float, doubtful: Literal["drop", "normal", "anomalous"]
) -> list[Picture]:
    """List the cells of one kind.

    Args:
        category: "mono" (monocrystalline), "poly" (polycrystalline) or "all".
        seed: Of the split.
        train_share: Share of the surely good cells (probability 0) that trains; the rest is for testing, with all
            surely defective ones (probability 1).
        doubtful: Whether cells with probability 1/3 or 2/3 are left out, or are test cells that count as normal or as
            anomalous.

    Returns:
        Pictures with ids such as "mono/cell0001.png", the same whatever the split.

    Raises:
        IadError: if the category is unknown or the wheel cannot be fetched.
    """
    from zipfile import ZipFile

    from iad.data.manifest import GOOD, Label, Picture, split_good
    from iad.data.wheels import Wheel, fetch_wheel

    if category not in CATEGORIES:
        raise unknown("elpv category", category, CATEGORIES)
    archive = ZipFile(fetch_wheel(Wheel(PACKAGE, VERSION, SHA256, MEGABYTES)))
    thirds = _read_labels(archive.read(LABELS).decode("ascii"), CATEGORIES[category])
    split = split_good([cell for cell, third in thirds.items() if third == 0], train_share, seed)
    pictures = []
    for cell, third in thirds.items():
        in_doubt = third in (1, 2)
        if in_doubt and doubtful == "drop":
            continue
        normal = third == 0 or (in_doubt and doubtful == "normal")
        pictures.append(
            Picture(
                image_id=cell,
                split=split.get(cell, "test"),
                label=Label.NORMAL if normal else Label.ANOMALOUS,
                defect=GOOD if normal else DEFECTS[third],
                read=partial(archive.read, f"{FOLDER}/images/{PurePosixPath(cell).name}"),
            )
        )
    return pictures


def _read_labels(text: str, kinds: tuple[str, ...]) -> dict[str, int]:
    """Probability in thirds by id, from rows such as `images/cell0001.png  0.3333333333333333  mono`."""
    thirds = {}
    for line in text.splitlines():
        path, probability, kind = line.split()
        if kind in kinds:
            thirds[f"{kind}/{PurePosixPath(path).name}"] = round(float(probability) * 3)
    if not thirds:
        wanted = " or ".join(kinds)
        raise IadError(f"{PACKAGE}: {LABELS} lists no {wanted} cells; delete the wheel from the cache and run again")
    return thirds
