"""MVTec AD: 15 categories of industrial parts with pixel masks of the defects.

P. Bergmann, M. Fauser, D. Sattlegger, C. Steger, "MVTec AD: A Comprehensive Real-World Dataset for Unsupervised Anomaly
Detection", CVPR 2019. Licence: CC BY-NC-SA 4.0, not for commercial use.

The archive holds all categories (4.9 GiB). It and the categories unpacked from it stay in the user's cache.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from iad.errors import IadError, unknown
from iad.options import SourceOptions

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
REMEDY = "set data.mvtec.path to a copy of the archive, or of the unpacked folder"


class Options(SourceOptions):
    """Where MVTec AD comes from: the official address, or an archive or folder on disk."""

    categories: ClassVar[str] = "screw, carpet, ..."

    path: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="null: download; or the archive or unpacked folder on disk"
    )


def load(category: str, *, seed: int, path: str | None) -> list[Picture]:  # noqa: ARG001  # MVTec AD has its own split
    """List the pictures of a category.

    Args:
        category: One of the 15.
        seed: Not used.
        path: The archive, the folder with all categories, or the folder of this category; None downloads the archive
            unless the category is in the cache.

    Raises:
        IadError: if the category is unknown, the download fails, or `path` does not lead to the category.
    """
    from iad.data.layouts import read_mvtec_layout

    if category not in CATEGORIES:
        raise unknown("MVTec AD category", category, CATEGORIES)
    if path is None:
        return read_mvtec_layout(_from_download(category))
    given = Path(path).expanduser()
    if not given.exists():
        raise IadError(
            f"data.mvtec.path = {path}: there is no such file or folder; correct it, or set it to null to download"
        )
    return read_mvtec_layout(_in_folder(given, category) if given.is_dir() else _in_archive(given, category))


def _from_download(category: str) -> Path:
    from iad.data.archives import download_file, unpack_category

    folder = _cache() / ARCHIVE_SHA256[:16] / category
    if folder.is_dir():
        return folder
    archive = _cache() / ARCHIVE_URL.rpartition("/")[2]
    if not archive.is_file():
        download_file(ARCHIVE_URL, archive, ARCHIVE_SHA256, remedy=REMEDY)
    unpack_category(archive, category, folder)
    return folder


def _in_archive(archive: Path, category: str) -> Path:
    from iad.data.archives import hash_with_bar, unpack_category

    folder = _cache() / hash_with_bar(archive)[:16] / category
    unpack_category(archive, category, folder)
    return folder


def _in_folder(given: Path, category: str) -> Path:
    if (given / category).is_dir():
        return given / category
    if (given / "train").is_dir() and (given.name == category or given.name not in CATEGORIES):
        return given
    raise IadError(
        f"data.mvtec.path = {given}: holds neither a folder '{category}' nor train/ of that category; "
        "correct it or data.category"
    )


def _cache() -> Path:
    from iad.io import cache_folder

    return cache_folder() / "mvtec"
