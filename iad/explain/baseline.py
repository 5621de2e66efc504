"""What stands for "nothing to see here": the good picture most like this one, or the picture without its details."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from iad.bundles.pictures import PictureSet
from iad.data.given import read_pictures
from iad.data.pictures import find
from iad.data.region import grey_outside
from iad.datacheck.pictures import measure
from iad.errors import IadError

BLUR = 1 / 8  # of the short side: larger than most defects


@dataclass(frozen=True, eq=False)
class Baseline:
    """What parts of a picture are replaced with.

    Attributes:
        kind: "good": a good picture; "blurred": the picture itself, blurred.
        name: of the good picture; empty of a blurred one.
        pixels: uint8 `(H, W, 3)`.
    """

    kind: str
    name: str
    pixels: np.ndarray


class GoodPictures:
    """The files of good pictures that a bundle was made of, known by their content.

    Args:
        pictures: of the bundle.
        folder: where the files lie; None: nowhere.

    Raises:
        IadError: if the folder holds none of them.

    Attributes:
        folder: as given.
        files: by the SHA-256 of their content.
    """

    def __init__(self, pictures: PictureSet, folder: Path | None) -> None:
        self.pictures, self.folder, self.files = pictures, folder, dict[str, Path]()
        if folder is None:
            return
        wanted = set(pictures.sha256)
        self.files = {digest: one.path for one in find(folder) if not one.problem and (digest := one.sha256) in wanted}
        if not self.files:
            raise IadError(
                f"--good {folder}: none of its pictures is one that the bundle was made of ({pictures.ids[0]}, ...); "
                "name their folder, or leave --good out"
            )

    @property
    def gaps(self) -> str:
        """That only some of the pictures lie in the folder, as a warning; empty where all do, or no folder is named."""
        if not self.files or (there := sum(one in self.files for one in self.pictures.sha256)) == len(self.pictures):
            return ""
        return f"only {there:,} of the {len(self.pictures):,} good pictures of the bundle lie below {self.folder}"

    def file_of(self, row: int) -> Path | None:
        """Where the picture of this row of the bundle lies."""
        return self.files.get(self.pictures.sha256[row])

    def most_like(self, picture: np.ndarray) -> int | None:
        """The row of the good picture that looks most like this one, uint8 `(H, W, 3)`; None without any file.

        It is compared with by the small grey versions that the bundle keeps; the picture's own file is left out.
        """
        there = [row for row, digest in enumerate(self.pictures.sha256) if digest in self.files]
        small = measure(picture[None], threads=1).grids[0].astype(np.float32)
        apart = np.square(self.pictures.grid_array()[there].astype(np.float32) - small).sum(axis=(1, 2))
        return next((there[place] for place in np.argsort(apart, kind="stable") if apart[place] > 0), None)


def baseline_of(picture: np.ndarray, good: GoodPictures, size: Any, limits: dict[str, Any]) -> Baseline:
    """The baseline of a picture: the good one most like it where its file is there, else a blurred copy.

    Args:
        picture: prepared, uint8 `(H, W, 3)`.
        good: where good pictures lie.
        size: of prepared pictures, as the bundle says.
        limits: of decoding, and the region of interest, as the bundle says.
    """
    row = good.most_like(picture) if good.files else None
    file = None if row is None else good.file_of(row)
    if row is None or file is None:
        return Baseline("blurred", "", grey_outside(blurred(picture), limits.get("region")))
    (found,) = read_pictures(file, size, **limits)
    return Baseline("good", good.pictures.ids[row], np.asarray(found.pixels))


def blurred(picture: np.ndarray) -> np.ndarray:
    """A picture without details, uint8 `(H, W, 3)`.

    >>> blurred(np.full((8, 8, 3), 7, np.uint8)).max()
    np.uint8(7)
    """
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(min(picture.shape[:2]) * BLUR)))
