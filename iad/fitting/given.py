"""The pictures that `iad.fit` is given: their folders, their size, and which of them may not calibrate."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from iad.bundles.bundle import CalibrationSet, PictureSet, Preprocess
from iad.bundles.parts import Sides
from iad.bundles.pictures import copies, described_given, split_new
from iad.data.given import ONE, read_pictures, sizes_of
from iad.data.image_size import MULTIPLE, SHORTS, ImageSize, auto_size, size_in_shape
from iad.detectors.calibrate import Calibration
from iad.errors import IadError
from iad.progress import say
from iad.words import counted, named

MAX_MEGAPIXELS, MAX_MINUTES = 100.0, 30.0  # the defaults of `data.max_megapixels` and `preprocess.max_minutes`


def kept(given: Any) -> Any:
    """Pictures that are looked at more than once: an iterator would be used up."""
    return given if isinstance(given, (*ONE, bytes)) or not isinstance(given, Iterable) else list(given)


def prepared_size(given: Any, image_size: Sides) -> ImageSize:
    """The size of prepared pictures, of their short side or of (height, width); "auto" chooses as `preprocess` does."""
    if isinstance(image_size, tuple):
        return ImageSize.of(image_size)
    height, width = sizes_of(given, max_megapixels=MAX_MEGAPIXELS).T
    if not len(height):
        return ImageSize.of(SHORTS[0] if image_size == "auto" else image_size)
    of = partial(size_in_shape, height=height, width=width, multiple=MULTIPLE)
    if image_size != "auto":
        return of(image_size)
    size, why = auto_size(of, np.minimum(height, width), len(height), max_minutes=MAX_MINUTES)
    say(f"iad.fit: {size}, {why}")
    return size


def read(given: Any, preprocess: Preprocess) -> tuple[np.ndarray, PictureSet]:
    """Pictures as they are embedded, uint8 `(N, H, W, 3)`, and their names and hashes."""
    size = preprocess.image_size
    found = list(read_pictures(given, size, **preprocess.reading))
    pixels = np.array([one.pixels for one in found], dtype=np.uint8).reshape(-1, *size, 3)
    return pixels, described_given(found, size)


def calibration_set(found: Calibration, pictures: PictureSet, apart: PictureSet) -> CalibrationSet:
    """What set the threshold: of the pictures fitted to, or of those set apart where there are some."""
    rows = np.full(len(found.rows), -1) if apart else found.rows
    calibrating = (apart or pictures).take(found.rows)
    return CalibrationSet(calibrating, rows, found.prediction.pred_score, found.scheme, found.map_scheme)


def require_apart(pictures: PictureSet, apart: PictureSet) -> None:
    """Refuse a picture that would set the threshold and be fitted to, and warn of copies: their scores promise nothing.

    Near copies are no refusal: parts may look that much alike.
    """
    same, near = copies(apart, pictures)
    if same.any():
        one = int(np.argmax(same))
        other = _original(apart.take(np.array([one])), pictures)
        raise IadError(
            f"calibration: {apart.ids[one]} is {other} of the pictures fitted to; leave it out here or there"
        )
    among = np.logical_or(*split_new(pictures, pictures.take(np.arange(0))))
    for ids, where in ((pictures.ids, among), (apart.ids, near)):
        if where.any():
            names = [name for name, found in zip(ids, where.tolist(), strict=True) if found]
            warnings.warn(
                f"{counted(len(names), 'good picture is a copy', 'good pictures are copies')} of others, or nearly so "
                f"({named(names)}): their scores come out too low, and so does the threshold; leave them out",
                stacklevel=3,
            )


def _original(one: PictureSet, pictures: PictureSet) -> str:
    keys = {*one.sha256, *one.pixels}
    pairs = zip(pictures.ids, pictures.sha256, pictures.pixels, strict=True)
    return next(name for name, *known in pairs if not keys.isdisjoint(known))
