"""Masks that are not one black and white picture: several files of a part, colours with a key, and drawn shapes.

All become a grey PNG in which what is not black is the defect, as `iad.data.decode.decode_mask` reads it.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, PngImagePlugin

from iad.data.formats import damaged, open_picture
from iad.data.layouts.common.base import Read
from iad.errors import IadError

MAX_MEGAPIXELS = 100.0  # of a mask, as the default of data.max_megapixels
MARKED = 255
REGIONS = "regions"  # the key of what a joined mask says of its regions
MOST_REGIONS = 255


class Saturation(NamedTuple):
    """How much of a region of one kind has to be found.

    Attributes:
        defect: The kind.
        threshold: Pixels, or a share of the region's area.
        relative: Whether it is a share.
    """

    defect: str
    threshold: float
    relative: bool


class Region(NamedTuple):
    """A region of a joined mask.

    Attributes:
        value: Of its pixels in the joined mask, 1 to 255.
        defect: Its kind; empty where nobody says.
        area: In pixels of its own mask. Where two regions overlap, the joined mask shows the later one.
        saturation: Pixels that have to be found so that it counts as found whole.
    """

    value: int
    defect: str
    area: int
    saturation: int


def joined(name: str, parts: Mapping[str, Read], saturation: Mapping[int, Saturation] | None = None) -> bytes:
    """One mask of the masks of several regions: the pixels of region i, in the order of names, have the value i.

    Args:
        name: What a refusal calls the joined mask.
        parts: What reads each region's mask, by its name; all of one size.
        saturation: By the value of a region's pixels; None: a region counts whole.

    Raises:
        IadError: if a mask cannot be read, or two differ in size.
    """
    arrays = {part: _grey(read(), part) for part, read in parts.items()}
    shapes = {part: array.shape for part, array in arrays.items()}
    first = next(iter(shapes.values()))
    if odd := [part for part, shape in shapes.items() if shape != first]:
        raise IadError(f"{odd[0]}: not of the size of the other masks of this picture; draw all at the picture's size")
    if len(arrays) > MOST_REGIONS:
        raise IadError(f"{name}: {len(arrays)} masks of one picture, more than {MOST_REGIONS}; join some of them")
    whole = np.zeros(first, dtype=np.uint8)
    regions = []
    for value, array in enumerate(arrays.values(), start=1):
        whole[array > 0] = value
        regions.append(_region(value, array, saturation or {}))
    return _png(whole, [region._asdict() for region in regions])


def regions_of(data: bytes) -> list[Region]:
    """What a joined mask says of its regions; nothing of any other mask.

    Args:
        data: The bytes of the mask.

    >>> def one(at):
    ...     drawn = np.zeros((4, 4), np.uint8)
    ...     drawn[at] = 200
    ...     return lambda: _png(drawn)
    >>> mask = joined("m.png", {"a.png": one(0), "b.png": one((3, 3))}, {200: Saturation("bent", 0.5, True)})
    >>> regions_of(mask)[0], regions_of(mask)[1].saturation
    (Region(value=1, defect='bent', area=4, saturation=2), 0)
    """
    image: Any = Image.open(io.BytesIO(data), formats=("PNG",))
    return [Region(**one) for one in json.loads(image.text.get(REGIONS, "[]"))]


def uncoloured(name: str, read: Read, background: Sequence[str]) -> bytes:
    """A mask of colours as one of black and white: what has none of the colours of the background is the defect.

    Args:
        name: What a refusal calls it.
        read: What reads it.
        background: Colours such as "#ffffff".

    Raises:
        IadError: if it cannot be read.

    >>> white_with_a_red_dot = np.full((3, 3, 3), 255, np.uint8)
    >>> white_with_a_red_dot[1, 1] = 200, 0, 0
    >>> file = io.BytesIO()
    >>> Image.fromarray(white_with_a_red_dot).save(file, "PNG")
    >>> int((_grey(uncoloured("m.png", file.getvalue, ["#ffffff"]), "m.png") > 0).sum())
    1
    """
    pixels = np.asarray(_decoded(read(), name).convert("RGB"))
    plain = np.zeros(pixels.shape[:2], dtype=bool)
    for colour in background:
        plain |= (pixels == _rgb(name, colour)).all(axis=2)
    return _png(np.where(plain, 0, MARKED).astype(np.uint8))


def drawn(size: tuple[int, int], polygons: Iterable[Sequence[float]], runs: Iterable[Mapping[str, Any]]) -> bytes:
    """A mask of shapes.

    Args:
        size: Width and height in pixels.
        polygons: Each the numbers x0, y0, x1, y1, ... in pixels.
        runs: Each a mask in COCO's run lengths: `size` (height, width) and `counts`, as numbers or as its text.

    Raises:
        IadError: if a shape has no area, or runs do not fill the picture.

    >>> int((_grey(drawn((8, 6), [[0, 0, 3, 0, 3, 3, 0, 3]], []), "") > 0).sum())
    16
    >>> int((_grey(drawn((2, 2), [], [{"size": [2, 2], "counts": [1, 2, 1]}]), "") > 0).sum())
    2
    """
    image = Image.new("L", size)
    draw = ImageDraw.Draw(image)
    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2 or not np.isfinite(np.asarray(polygon, dtype=np.float64)).all():
            raise IadError("a polygon of fewer than three points, or of points nowhere; draw it again")
        draw.polygon(list(polygon), fill=MARKED, outline=MARKED)
    pixels = np.array(image)
    for run in runs:
        pixels[_runs(run, size)] = MARKED
    return _png(pixels)


def _runs(run: Mapping[str, Any], size: tuple[int, int]) -> np.ndarray:
    """Run lengths of background and defect in turns, column by column, as COCO stores them, bool `(H, W)`."""
    counts = list(_counts(run["counts"])) if isinstance(run["counts"], str) else run["counts"]
    width, height = size
    if sum(counts) != width * height or min(counts, default=0) < 0:
        raise IadError(f"a mask of {sum(counts)} pixels for a picture of {width} x {height}; export it again")
    marked = np.arange(len(counts)) % 2 == 1
    return np.repeat(marked, counts).reshape(width, height).T


def _counts(text: str) -> Iterator[int]:
    """Numbers from COCO's text, as `rleFrString` of its reference implementation reads them.

    A character holds 5 bits, from 48 on; the sixth says that more follow. From the fourth number on each is the
    difference to the last but one.
    """
    found: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        found.append(value + (found[-2] if len(found) > 2 else 0))
        value = shift = 0
    return iter(found)


def _region(value: int, array: np.ndarray, saturation: Mapping[int, Saturation]) -> Region:
    area = int((array > 0).sum())
    known = saturation.get(int(array.max(initial=0)))
    if known is None:
        return Region(value, "", area, area)
    enough = int(known.threshold * area) if known.relative else min(int(known.threshold), area)
    return Region(value, known.defect, area, enough)


def _decoded(data: bytes, name: str) -> Image.Image:
    image = open_picture(data, name, max_megapixels=MAX_MEGAPIXELS)
    try:
        image.load()
    except Exception as error:  # noqa: BLE001  # Pillow raises nearly anything on damaged content
        raise damaged(name, error) from None
    return image


def _grey(data: bytes, name: str) -> np.ndarray:
    image = _decoded(data, name or "mask.png")
    return np.asarray(image if image.mode in ("L", "I;16", "P") else image.convert("L"))


def _rgb(name: str, colour: str) -> tuple[int, ...]:
    if not re.fullmatch(r"#?[0-9a-fA-F]{6}", colour):
        raise IadError(f"{name}: '{colour}' is no colour such as #ffffff; correct the colours of the list")
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def _png(pixels: np.ndarray, regions: Sequence[Mapping[str, Any]] = ()) -> bytes:
    words = PngImagePlugin.PngInfo()
    if regions:
        words.add_text(REGIONS, json.dumps(list(regions), ensure_ascii=True))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", pnginfo=words)
    return file.getvalue()
