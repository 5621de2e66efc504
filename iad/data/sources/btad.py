"""BTAD: 3 industrial products with body and surface defects, with pixel masks.

P. Mishra, R. Verk, D. Fornasier, C. Piciarelli, G. L. Foresti, "VT-ADL: A Vision Transformer Network for Image Anomaly
Detection and Localization", ISIE 2021. Licence: CC BY-NC-SA 4.0, not for commercial use.

The archive holds all products (1.2 GB). It and the products unpacked from it stay in the user's cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from iad.options import ArchiveOptions

if TYPE_CHECKING:
    from iad.data.manifest import Picture

ARCHIVE_URL = "https://avires.dimi.uniud.it/papers/btad/btad.zip"
ARCHIVE_SHA256 = "461c9387e515bfed41ecaae07c50cf6b10def647b36c9e31d239ab2736b10d2a"
CATEGORIES = ("01", "02", "03")


class Options(ArchiveOptions):
    """Where BTAD comes from: the official address, or an archive or folder on disk."""

    categories: ClassVar[str] = "01, 02, 03"


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

    archive = Published("btad", "BTAD", ARCHIVE_URL, ARCHIVE_SHA256, CATEGORIES)
    return understand(tree_of(archive.folder(category, path)), Choice(layout="mvtec")).pictures
