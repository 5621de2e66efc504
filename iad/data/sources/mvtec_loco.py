"""MVTec LOCO AD: 5 categories with structural and logical anomalies, as a part that is missing or one too many.

P. Bergmann, K. Batzner, M. Fauser, D. Sattlegger, C. Steger, "Beyond Dents and Scratches: Logical Constraints in
Unsupervised Anomaly Detection and Localization", IJCV 130 (2022). Licence: CC BY-NC-SA 4.0, not for commercial use.

The archive holds all categories (5.7 GiB). It and the categories unpacked from it stay in the user's cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from iad.options import ArchiveOptions

if TYPE_CHECKING:
    from iad.data.manifest import Picture

ARCHIVE_URL = (
    "https://www.mydrive.ch/shares/48237/1b9106ccdfbb09a0c414bd49fe44a14a/download/"
    "430647091-1646842701/mvtec_loco_anomaly_detection.tar.xz"
)
ARCHIVE_SHA256 = "9e7c84dba550fd2e59d8e9e231c929c45ba737b6b6a6d3814100f54d63aae687"
CATEGORIES = ("breakfast_box", "juice_bottle", "pushpins", "screw_bag", "splicing_connectors")


class Options(ArchiveOptions):
    """Where MVTec LOCO AD comes from: the official address, or an archive or folder on disk."""

    categories: ClassVar[str] = "breakfast_box, pushpins, ..."


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

    archive = Published("mvtec_loco", "MVTec LOCO AD", ARCHIVE_URL, ARCHIVE_SHA256, CATEGORIES)
    return understand(tree_of(archive.folder(category, path)), Choice(layout="mvtec_loco")).pictures
