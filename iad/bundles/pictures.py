"""Which pictures a bundle was made of: by name, by file, by what they show, and how they were taken."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from iad.data.given import Given
from iad.data.image_size import GivenSize, ImageSize
from iad.data.pictures import Look
from iad.datacheck.copies import near_copies
from iad.datacheck.pictures import GRID, is_blank, measure
from iad.errors import IadError

KNOWN, NEW = 0, 1  # groups that are compared
UNLIKELY = 0.001
FEWEST = 8  # new pictures that are compared at once with fewer than twice as many known ones
LOOK = ("width", "height", "coding", "quality", "colour", "bits")


@dataclass(frozen=True, config=ConfigDict(arbitrary_types_allowed=True, extra="forbid"))
class PictureSet:
    """N pictures, each known by its name, its file, and what it shows.

    Attributes:
        ids: names, as in a manifest.
        sha256: hex, of the files' bytes.
        pixels: hex SHA-256 of the prepared pictures, uint8 `(H, W, 3)`: the same for every lossless copy.
        looks: how they were taken and saved.
        grids: small grey versions, uint8 `(32, 32)` as bytes, by which near copies are known; zeros where nothing is
            shown.
        sharpness: of the prepared pictures, see `sharpness_of`; None where an older version has not kept it.

    Raises:
        IadError: if these are not of the same number.
    """

    ids: tuple[str, ...]
    sha256: tuple[str, ...]
    pixels: tuple[str, ...]
    looks: tuple[Look, ...]
    grids: tuple[bytes, ...]
    sharpness: tuple[float | None, ...]

    def __post_init__(self) -> None:
        """Refuse lists of different lengths."""
        if {len(part) for part in self._parts()} != {len(self)} or {*map(len, self.grids)} - {GRID * GRID}:
            raise IadError(f"{len(self)} pictures, of which not every one is described")

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> PictureSet:
        """The pictures of these rows, int64 `(K,)` or bool `(N,)`, in that order."""
        found = np.arange(len(self))[rows].tolist()
        return PictureSet(*(tuple(part[row] for row in found) for part in self._parts()))

    def __add__(self, other: PictureSet) -> PictureSet:
        return PictureSet(*(one + two for one, two in zip(self._parts(), other._parts(), strict=True)))

    def fingerprint(self) -> str:
        """Hex SHA-256 over the hashes of all files, whatever their order and names."""
        return hashlib.sha256("\n".join(sorted(self.sha256)).encode()).hexdigest()

    def grid_array(self) -> np.ndarray:
        """The small grey versions as one array, uint8 `(N, 32, 32)`."""
        return np.frombuffer(b"".join(self.grids), dtype=np.uint8).reshape(-1, GRID, GRID)

    def rows(self) -> list[list[Any]]:
        """A line per picture for a JSON text, without the small versions."""
        looks = ([getattr(one, name) for name in LOOK] for one in self.looks)
        return [list(row) for row in zip(self.ids, self.sha256, self.pixels, looks, self.sharpness, strict=True)]

    def _parts(self) -> tuple[tuple[Any, ...], ...]:
        return self.ids, self.sha256, self.pixels, self.looks, self.grids, self.sharpness


def picture_set(rows: Sequence[Sequence[Any]], grids: np.ndarray) -> PictureSet:
    """What `PictureSet.rows` and `PictureSet.grid_array` gave, as it was.

    Raises:
        ValueError: if they are of another shape, or values of another type; TypeError too.
    """
    if grids.dtype != np.uint8 or grids.shape != (len(rows), GRID, GRID):
        raise ValueError(f"small versions of the shape {grids.shape}, of {len(rows)} pictures")
    ids, sha256, pixels, looks = ([row[place] for row in rows] for place in range(4))
    found = (Look(**dict(zip(LOOK, look, strict=True))) for look in looks)
    small, sharpness = (one.tobytes() for one in grids), ([*row, None][4] for row in rows)
    return PictureSet(tuple(ids), tuple(sha256), tuple(pixels), tuple(found), tuple(small), tuple(sharpness))


def described(ids: Iterable[str], sha256: Iterable[str], looks: Iterable[Look], images: np.ndarray) -> PictureSet:
    """Pictures by all that a bundle keeps of them.

    Args:
        ids: N names.
        sha256: hex, of the N files.
        looks: of the N files.
        images: uint8 `(N, H, W, 3)`, as they were prepared.

    >>> black = np.zeros((1, 64, 64, 3), np.uint8)
    >>> found = described(["a.png"], ["0f"], [Look(64, 64, "lossless", 0, False, 8)], black)
    >>> found.pixels[0] == pixels_sha256(black[0]), (found + found).take(np.array([1])) == found
    (True, True)
    """
    measured = measure(images, threads=1)
    grids = np.where(is_blank(measured)[:, None, None], 0, measured.grids).astype(np.uint8)
    pixels = tuple(pixels_sha256(one) for one in images)
    sharpness = tuple(sharpness_of(np.asarray(Image.fromarray(one).convert("L"))) for one in images)
    return PictureSet(tuple(ids), tuple(sha256), pixels, tuple(looks), tuple(one.tobytes() for one in grids), sharpness)


def described_given(found: Sequence[Given], size: GivenSize) -> PictureSet:
    """The same of pictures that were handed over; one without a file is known by its pixels.

    Args:
        found: pictures that could be read.
        size: of a prepared picture in pixels: height and width, or the side of a square.
    """
    images = np.array([one.pixels for one in found], dtype=np.uint8).reshape(-1, *ImageSize.of(size), 3)
    hashes = (one.sha256 or pixels_sha256(one.pixels) for one in found if one.pixels is not None)
    return described((one.image_id for one in found), hashes, [one.look for one in found if one.look], images)


def pixels_sha256(pixels: np.ndarray) -> str:
    """Hex SHA-256 of a prepared picture, uint8 `(H, W, 3)`.

    >>> pixels_sha256(np.zeros((1, 1, 3), np.uint8))[:8]
    '709e80c8'
    """
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()


def sharpness_of(grey: np.ndarray) -> float:
    """Mean difference between neighbours, in shares of the standard deviation; 0 of one grey. A blur lowers it.

    Args:
        grey: uint8 `(S, S)`.

    >>> round(sharpness_of(np.array([[0, 200], [0, 200]], np.uint8)), 3), sharpness_of(np.zeros((2, 2), np.uint8))
    (1.0, 0.0)
    """
    levels = grey.astype(np.float32)
    deviation = float(levels.std())
    steps = (float(np.abs(np.diff(levels, axis=axis)).mean()) if levels.shape[axis] > 1 else 0.0 for axis in (0, 1))
    return round(sum(steps) / 2 / deviation, 6) if deviation else 0.0


def copies(pictures: PictureSet, known: PictureSet) -> tuple[np.ndarray, np.ndarray]:
    """Which pictures are the same as a known one, by file or by pixels, and which nearly the same.

    Near copies are those of the data check: `iad.datacheck.copies.near_copies`.

    Args:
        pictures: N of them; they are not compared with each other.
        known: M others.

    Returns:
        Two bool `(N,)`; no picture is in both.
    """
    taken = _keys(known)
    same = np.array([not taken.isdisjoint(_keys(one)) for one in _each(pictures)], dtype=bool)
    near = _near_known(pictures, known)
    size = _few(known)
    for rows in np.split(np.arange(len(pictures)), range(size, len(pictures), size)) if len(pictures) > size else ():
        near[rows] |= _near_known(pictures.take(rows), known)
    return same, near & ~same


def split_new(pictures: PictureSet, known: PictureSet) -> tuple[np.ndarray, np.ndarray]:
    """The same as `copies`, where a picture must differ from those before it too.

    Args:
        pictures: N of them, in the order in which they are taken.
        known: M others.

    Returns:
        Two bool `(N,)`: the same as one that is known or came before, and nearly the same.
    """
    keys = _keys(known)
    same, near = np.zeros((2, len(pictures)), dtype=bool)
    for row, one in enumerate(_each(pictures)):
        same[row] = not keys.isdisjoint(_keys(one))
        keys |= _keys(one)
    left = np.flatnonzero(~same)
    near[left] = _near_earlier(pictures.take(left), known)
    left, taken = left[~near[left]], known
    # many of one part draw the average picture to it, so that they no longer set themselves apart: then a few at a time
    while len(known) and len(left) and len(pictures) > _few(known):
        some, left = left[: (size := _few(taken))], left[size:]
        new = pictures.take(some)
        near[some] = found = _near_earlier(new, taken)
        taken = taken + new.take(~found)
    return same, near


def too_close(scores: np.ndarray, calibration: np.ndarray) -> np.ndarray:
    """Which new good pictures score so low that they must be of parts which the detector has learnt from, bool `(M,)`.

    Copies that are moved by a pixel, or taken again of the same part, are near to no picture by their pixels, and still
    to the detector. New and calibrating pictures of other parts are exchangeable; where the test of Mann and Whitney
    says that the new ones score lower, those below the median of calibration are named.

    Args:
        scores: float64 `(M,)`, of the new pictures, before they join; higher = more anomalous.
        calibration: float64 `(N,)`, out of sample.

    >>> too_close(np.linspace(0, 0.4, 10), np.linspace(0.3, 1, 40)).all()
    np.True_
    >>> too_close(np.array([0.1]), np.linspace(0.3, 1, 40)).tolist()  # the lowest of 41 is the new one: that happens
    [False]
    """
    from scipy.stats import mannwhitneyu

    lower = np.asarray(scores < np.median(calibration))
    p = float(mannwhitneyu(scores, calibration, alternative="less").pvalue)
    return lower if p < UNLIKELY else np.zeros_like(lower)


def _each(pictures: PictureSet) -> Iterable[PictureSet]:
    return (pictures.take(np.array([row])) for row in range(len(pictures)))


def _keys(pictures: PictureSet) -> set[str]:
    return {*pictures.sha256, *pictures.pixels}


def _few(known: PictureSet) -> int:
    """How many pictures are compared with known ones at once, so that the average is not theirs alone."""
    return max(len(known) // 2, FEWEST)


def _near_known(pictures: PictureSet, known: PictureSet) -> np.ndarray:
    return np.asarray(_partners(pictures, known)[:, KNOWN] >= 0)


def _near_earlier(pictures: PictureSet, known: PictureSet) -> np.ndarray:
    """Which pictures are near copies of a known one, or of one before them that is none, bool `(N,)`."""
    near = _near_known(pictures, known)
    while True:  # each round leaves one of every pair out, until no pair is left
        left = np.flatnonzero(~near)
        partner = _partners(pictures.take(left), known)[:, NEW]
        later = np.maximum(np.arange(len(left)), partner)[partner >= 0]
        if not len(later):
            return near
        near[left[later]] = True


def _partners(pictures: PictureSet, known: PictureSet) -> np.ndarray:
    """Place of the closest near copy of each picture among the known ones and among the pictures, -1 without one."""
    grids = np.concatenate([known.grid_array(), pictures.grid_array()])
    group = np.repeat([KNOWN, NEW], [len(known), len(pictures)])
    found = near_copies(grids, np.asarray(grids.any(axis=(1, 2))), np.arange(len(grids)), group, 2)[len(known) :]
    found[:, NEW] = np.where(found[:, NEW] >= 0, found[:, NEW] - len(known), -1)
    return found
