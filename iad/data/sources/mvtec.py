"""MVTec AD: 15 categories of industrial parts with pixel masks of the defects.

P. Bergmann, M. Fauser, D. Sattlegger, C. Steger, "MVTec AD: A Comprehensive Real-World Dataset for Unsupervised Anomaly
Detection", CVPR 2019. Licence: CC BY-NC-SA 4.0, not for commercial use.

The archive holds all categories (4.9 GiB). It and the categories unpacked from it stay in the user's cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from iad.options import ArchiveOptions

if TYPE_CHECKING:
    from iad.data.manifest import Picture

ARCHIVE_URL = (
    "https://www.mydrive.ch/shares/150996/b52ecdcbf521176e9db9c731f2304b27/download/"
    "420938113-1629960298/mvtec_anomaly_detection.tar.xz"
)
ARCHIVE_SHA256 = "cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d"
CATEGORIES = (
    "bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut", "pill", "screw", "tile",
    "toothbrush", "transistor", "wood", "zipper",
)  # fmt: skip


class Options(ArchiveOptions):
    """Where MVTec AD comes from: the official address, or an archive or folder on disk."""

    categories: ClassVar[str] = "screw, carpet, ..."


def load(category: str, *, seed: int, path: str | None) -> list[Picture]:  # noqa: ARG001  # it has its own split
    """List the pictures of a category.

    Args:
        category: One of `CATEGORIES`.
        seed: Not used.
        path: The archive, the folder with all categories, or the folder of this category; None downloads the archive
            unless the category is in the cache.

    Raises:
        IadError: if the category is unknown, the download fails, or `path` does not lead to the category.
    """
    from iad.data.layouts import Choice, tree_of, understand
    from iad.data.published import Published

    archive = Published("mvtec", "MVTec AD", ARCHIVE_URL, ARCHIVE_SHA256, CATEGORIES)
    return understand(tree_of(archive.folder(category, path)), Choice(layout="mvtec")).pictures
