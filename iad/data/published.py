"""Published data sets: an archive at a public address, or a copy of it, of which one category is unpacked and kept.

The archive and what was unpacked from it stay in the user's cache, by the archive's hash.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from iad.data import archives, zips
from iad.errors import IadError, unknown
from iad.io import cache_folder


@dataclass(frozen=True)
class Published:
    """An archive, and what is in it.

    Attributes:
        source: Name of the source: of its folder in the cache, and of its section of `params.yaml`.
        title: What people call the data set.
        url: The address.
        sha256: Of the archive.
        categories: Folders in the archive, each a data set.
        holds: A folder that each category has, by which one that is given as such is known.
    """

    source: str
    title: str
    url: str
    sha256: str
    categories: tuple[str, ...]
    holds: str = "train"

    def remedy(self) -> str:
        """What a user can do where the download fails."""
        return f"set data.{self.source}.path to a copy of the archive, or of the unpacked folder"

    def folder(self, category: str, path: str | None, *, part: str = "") -> Path:
        """The folder of a category, downloaded or unpacked first where it has to be.

        Args:
            category: One of those in the archive.
            path: The archive, the folder with all categories, or the folder of this one; None downloads the archive
                unless the category is in the cache.
            part: Another folder beside the categories that is wanted instead; `path` may then not be that of one.

        Raises:
            IadError: if the category is unknown, the download fails, or `path` does not lead to the category.
        """
        if category not in self.categories:
            raise unknown(f"{self.title} category", category, self.categories)
        if path is None:
            return self._downloaded(part or category)
        given = Path(path).expanduser()
        if not given.exists():
            raise IadError(
                f"data.{self.source}.path = {path}: there is no such file or folder; correct it, or set it to null to "
                "download"
            )
        return self._inside(given, category, part) if given.is_dir() else self._unpacked(given, part or category)

    def _downloaded(self, name: str) -> Path:
        folder = self._cache() / self.sha256[:16] / name
        if folder.is_dir():
            return folder
        archive = self._cache() / self.url.rpartition("/")[2]
        if not archive.is_file():
            archives.download_file(self.url, archive, self.sha256, remedy=self.remedy())
        _unpack(archive, name, folder)
        return folder

    def _unpacked(self, archive: Path, name: str) -> Path:
        folder = self._cache() / archives.hash_with_bar(archive)[:16] / name
        _unpack(archive, name, folder)
        return folder

    def _inside(self, given: Path, category: str, part: str) -> Path:
        wanted = part or category
        if (given / wanted).is_dir():
            return given / wanted
        if not part and (given / self.holds).is_dir() and (given.name == category or given.name not in self.categories):
            return given
        raise IadError(
            f"data.{self.source}.path = {given}: holds neither a folder '{wanted}' nor {self.holds}/ of that category; "
            "correct it or data.category"
        )

    def _cache(self) -> Path:
        return cache_folder() / self.source


def _unpack(archive: Path, name: str, folder: Path) -> None:
    unpack = zips.unpack_zip_category if archive.suffix.lower() == ".zip" else archives.unpack_category
    unpack(archive, name, folder)
