"""VisA: 12 objects, from circuit boards to macaroni, with pixel masks; the split is the one for one class.

Y. Zou, J. Jeong, L. Pemula, D. Zhang, O. Dabeer, "SPot-the-Difference Self-Supervised Pre-training for Anomaly
Detection and Segmentation", ECCV 2022. Licence: CC BY 4.0.

The archive holds all objects (1.8 GB). It and the objects unpacked from it stay in the user's cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from iad.options import ArchiveOptions

if TYPE_CHECKING:
    from iad.data.manifest import Picture

ARCHIVE_URL = "https://amazon-visual-anomaly.s3.us-west-2.amazonaws.com/VisA_20220922.tar"
ARCHIVE_SHA256 = "2eb8690c803ab37de0324772964100169ec8ba1fa3f7e94291c9ca673f40f362"
CATEGORIES = (
    "candle", "capsules", "cashew", "chewinggum", "fryum", "macaroni1", "macaroni2", "pcb1", "pcb2", "pcb3", "pcb4",
    "pipe_fryum",
)  # fmt: skip
SPLITS = "split_csv"


class Options(ArchiveOptions):
    """Where VisA comes from: the official address, or an archive or folder on disk."""

    categories: ClassVar[str] = "candle, pcb1, ..."


def load(category: str, *, seed: int, path: str | None) -> list[Picture]:  # noqa: ARG001  # it has its own splits
    """List the pictures of a category.

    Args:
        category: One of `CATEGORIES`.
        seed: Not used.
        path: The archive, or the folder with all products and `split_csv`; None downloads the archive unless both are
            in the cache.

    Raises:
        IadError: if the category is unknown, the download fails, or `path` does not lead to the category.
    """
    from iad.data.layouts import Choice, files_of, make_tree, understand
    from iad.data.published import Published

    archive = Published("visa", "VisA", ARCHIVE_URL, ARCHIVE_SHA256, CATEGORIES, holds="Data")
    folders = {category: archive.folder(category, path), SPLITS: archive.folder(category, path, part=SPLITS)}
    files = ((f"{top}/{name}", read) for top, folder in folders.items() for name, read in files_of(folder))
    tree = make_tree(str(folders[category]), files)
    return understand(tree, Choice(layout="visa", product=category)).pictures
