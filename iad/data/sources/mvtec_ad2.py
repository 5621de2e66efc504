"""MVTec AD 2: 8 categories in hard light, with pixel masks of the defects of the public test set.

L. Heckler-Kram, J.-H. Neudeck, U. Scheler, R. Koenig, C. Steger, "The MVTec AD 2 Dataset: Advanced Scenarios for
Unsupervised Anomaly Detection", 2025 (arXiv:2503.21622). Licence: CC BY-NC-SA 4.0, not for commercial use.

The archive holds all categories. It and the categories unpacked from it stay in the user's cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from iad.options import ArchiveOptions

if TYPE_CHECKING:
    from iad.data.manifest import Picture

ARCHIVE_URL = (
    "https://www.mydrive.ch/shares/121573/7f68fe2c4f7c2ceaa08f463aaeb2f414/download/"
    "466712769-1743422799/mvtec_ad_2.tar.gz"
)
ARCHIVE_SHA256 = "c0ded99ef32bfc8e352d52beb44515e5b292b8598cb963aadfa91ca0763505e4"
CATEGORIES = ("can", "fabric", "fruit_jelly", "rice", "sheet_metal", "vial", "wallplugs", "walnuts")


class Options(ArchiveOptions):
    """Where MVTec AD 2 comes from: the official address, or an archive or folder on disk."""

    categories: ClassVar[str] = "can, vial, ..."


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

    archive = Published("mvtec_ad2", "MVTec AD 2", ARCHIVE_URL, ARCHIVE_SHA256, CATEGORIES)
    return understand(tree_of(archive.folder(category, path)), Choice(layout="mvtec_ad2")).pictures
