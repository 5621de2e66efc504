"""The region of interest of a product: which pixels of its pictures count.

It is drawn once, beside the pictures, in `data/<category>/roi.*`: a mask picture whose white counts, or polygons as
LabelMe writes them or as a plain JSON list. It is scaled with every picture, as masks are. What lies outside becomes
one grey when a picture is prepared, so that no network can see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from iad.data.decode import decode_mask, picture_size
from iad.data.formats import FORMAT_OF_SUFFIX
from iad.data.image_size import GivenSize, ImageSize
from iad.data.polygons import drawn, parsed
from iad.data.tree import read_bytes
from iad.errors import IadError
from iad.io import new_array, replacing
from iad.words import percent

if TYPE_CHECKING:
    import pandas as pd

STEM, POLYGONS = "roi", ".json"
SHAPE = 0.01  # by so much may a picture's height over width differ from the region's: sides are whole pixels
GREY = 128  # what is outside: no colour of its own, and the same for every picture
HALF = 0.5 - 1e-6  # of a pixel's area; the weights of the average are rounded


def is_region(name: str) -> bool:
    """Whether a file of a data set, by its path below the folder, is the region and no picture of a part.

    >>> is_region("roi.png"), is_region("ROI.json"), is_region("good/roi.png"), is_region("roi.txt")
    (True, True, False, False)
    """
    path = PurePosixPath(name)
    known = path.suffix.lower() == POLYGONS or path.suffix.lower() in FORMAT_OF_SUFFIX
    return len(path.parts) == 1 and path.stem.lower() == STEM and known


def find_region(folder: Path) -> Path | None:
    """The file of the region beside the pictures of a folder, or None.

    Raises:
        IadError: if there are two.
    """
    found = sorted(path for path in folder.glob("*") if is_region(path.name)) if folder.is_dir() else []
    if len(found) > 1:
        raise IadError(f"{folder}: two regions of interest, {found[0].name} and {found[1].name}; delete one of them")
    return found[0] if found else None


def read_region(path: Path, sizes: np.ndarray, names: Sequence[str], *, max_megapixels: float) -> np.ndarray:
    """Which pixels count, at the size that the region was drawn at.

    Args:
        path: of the file.
        sizes: of the pictures that it is for: int64 `(N, 2)`, height and width in pixels.
        names: of these, for refusals.
        max_megapixels: the largest accepted region, in million pixels.

    Returns:
        bool `(h, w)`.

    Raises:
        IadError: if it cannot be read, keeps nothing, or was drawn for pictures of another shape than one of these.
    """
    data = read_bytes(path)
    if path.suffix.lower() == POLYGONS:
        region, scales = drawn(parsed(data, str(path)), sizes, str(path))
    else:
        width, height = picture_size(data, str(path), max_megapixels=max_megapixels)
        mask = decode_mask(data, str(path), (height, width), max_megapixels=max_megapixels)
        region, scales = np.asarray(mask > 0), False
    _require_some(region, str(path))
    if not scales:
        _require_shape(region, sizes, names, str(path))
    return region


def as_region(given: Any, sizes: np.ndarray, names: Sequence[str], *, max_megapixels: float) -> np.ndarray:
    """The same of what was handed over: a path, polygons as the JSON has them, or a mask `(h, w)`, 0 where none counts.

    Raises:
        IadError: as `read_region`, or if it is something else.

    >>> as_region([[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]], np.array([[2, 4]]), ["a.png"], max_megapixels=1).tolist()
    [[True, True, False, False], [True, True, False, False]]
    """
    if isinstance(given, str | Path):
        return read_region(Path(given), sizes, names, max_megapixels=max_megapixels)
    if isinstance(given, np.ndarray):
        if given.ndim != 2 or not given.size or given.dtype.kind not in "bui":
            raise IadError(f"roi: an array of {given.dtype} and the shape {given.shape}; give a mask (height, width)")
        region, scales = np.asarray(given != 0), False
    else:
        region, scales = drawn(given, sizes, "roi")
    _require_some(region, "roi")
    if not scales:
        _require_shape(region, sizes, names, "roi")
    return region


def keep_region(folder: Path, manifest: pd.DataFrame, path: Path, *, max_megapixels: float) -> str | None:
    """Keep the region that lies beside the pictures of a data set, for the stages that follow.

    Args:
        folder: where it would lie.
        manifest: `image_id`, `height` and `width` of every picture.
        path: the PNG to write; one of an earlier run is deleted where there is no region.
        max_megapixels: the largest accepted region, in million pixels.

    Returns:
        What was found, for a person; None where there is no region.

    Raises:
        IadError: as `find_region` and `read_region`.
    """
    if (found := find_region(folder)) is None:
        path.unlink(missing_ok=True)
        return None
    region = region_of(found, manifest, max_megapixels=max_megapixels)
    with replacing(path) as part:
        part.write_bytes(region_png(region))
    return f"region of interest from {found}: {kept(region)}"


def region_of(path: Path, manifest: pd.DataFrame, *, max_megapixels: float) -> np.ndarray:
    """The region in a file, as `read_region`, for the pictures of a manifest."""
    sizes = manifest[["height", "width"]].to_numpy(dtype=np.int64)
    return read_region(path, sizes, manifest["image_id"].tolist(), max_megapixels=max_megapixels)


def prepared_region(path: Path, size: GivenSize) -> np.ndarray | None:
    """What `keep_region` kept, at the size of prepared pictures, bool `(H, W)`; None where there is no region."""
    if not path.is_file():
        return None
    with Image.open(path) as image:
        return region_at(np.asarray(image) > 0, size, origin=str(path))


def write_prepared(path: Path, region: np.ndarray | None) -> None:
    """Write the region of prepared pictures, bool `(H, W)`; where there is none, delete that of an earlier run."""
    if region is None:
        path.unlink(missing_ok=True)
        return
    with new_array(path, region.shape, np.bool_) as array:
        array[:] = region


def region_at(region: np.ndarray, size: GivenSize, *, origin: str) -> np.ndarray:
    """The region of prepared pictures: a pixel counts if at least half of its area does.

    Args:
        region: bool `(h, w)`, of any size.
        size: of prepared pictures in pixels: height and width, or the side of a square.
        origin: what a refusal calls the region.

    Raises:
        IadError: if no pixel is left.

    >>> region_at(np.array([[True, True, False, False]]), (1, 2), origin="roi.png").tolist()
    [[True, False]]
    """
    full = Image.fromarray(region.astype(np.float32))
    found = np.asarray(full.resize(ImageSize.of(size)[::-1], Image.Resampling.BOX)) >= HALF
    if not found.any():
        raise IadError(f"{origin}: so thin that no pixel of {ImageSize.of(size)} counts; draw it wider")
    return found


def grey_outside(pixels: np.ndarray, region: np.ndarray | None) -> np.ndarray:
    """A prepared picture, uint8 `(H, W, 3)`, with one grey outside of the region, bool `(H, W)`, if any.

    >>> grey_outside(np.zeros((1, 2, 3), np.uint8), np.array([[True, False]]))[0, :, 0].tolist()
    [0, 128]
    """
    return pixels if region is None else np.where(region[..., None], pixels, np.uint8(GREY))


def region_png(region: np.ndarray) -> bytes:
    """The region as a PNG of one bit, white where it counts; `read_region` reads it."""
    file = BytesIO()
    Image.fromarray(region).save(file, "PNG")
    return file.getvalue()


def kept(region: np.ndarray) -> str:
    """How much of the picture counts, in words.

    >>> kept(np.array([[True, False]])), kept(np.array([[True]]))
    ('50 % of the picture counts', 'the whole picture counts, as without it')
    """
    if region.all():
        return "the whole picture counts, as without it"
    return f"{percent(round(float(region.mean()), 3))} of the picture counts"


def _require_some(region: np.ndarray, name: str) -> None:
    if not region.any():
        raise IadError(f"{name}: keeps nothing of the picture; what is white, or inside of a polygon, counts")


def _require_shape(region: np.ndarray, sizes: np.ndarray, names: Sequence[str], name: str) -> None:
    height, width = region.shape
    away = np.abs(np.log(sizes[:, 0] / sizes[:, 1]) - np.log(height / width)) > SHAPE
    if away.any():
        first = int(np.argmax(away))
        raise IadError(
            f"{name}: drawn for pictures of the shape {width} x {height} px, but {names[first]} has "
            f"{sizes[first, 1]} x {sizes[first, 0]}, and {int(away.sum())} of {len(sizes)} pictures another shape; "
            "draw it on one of them, or give polygons in shares of the picture"
        )
