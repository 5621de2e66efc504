"""The pictures that `iad.fit` is given: their folders, their size, and which of them may not calibrate."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from iad.bundles.bundle import CalibrationSet, PictureSet, Preprocess
from iad.bundles.pictures import copies, described_given, split_new
from iad.data.given import ONE, read_pictures, sizes_of
from iad.data.image_size import MULTIPLE, ImageSize, size_in_shape
from iad.data.labels import reads_as_bad
from iad.detectors.calibrate import Calibration
from iad.errors import IadError
from iad.words import counted, named

GOOD = ("train/good", "good")  # where a folder has its good pictures, if it has such folders
APART = "calibration/good"
MAX_MEGAPIXELS = 100.0  # of a picture: the default of `data.max_megapixels`


def folders(good: Any, calibration: Any) -> tuple[Any, Any]:
    """The folders of a part where one is given by its path; else as they are."""
    if not isinstance(good, str | Path):
        return good, calibration
    folder = Path(good)
    if reads_as_bad(folder.resolve().name):
        raise IadError(f"{folder}: reads as defective pictures; give a folder of good ones, or rename it")
    if calibration is None and (folder / APART).is_dir():
        calibration = folder / APART
    named = next((folder / name for name in GOOD if (folder / name).is_dir()), None)
    if named is None and (strange := sorted(path.name for path in folder.glob("*/") if reads_as_bad(path.name))):
        raise IadError(
            f"{folder}: '{strange[0]}' reads as defective pictures, which would be learnt from; name the folder of "
            f"good ones, or call that {folder / 'good'}"
        )
    return named or folder, calibration


def kept(given: Any) -> Any:
    """Pictures that are looked at more than once: an iterator would be used up."""
    return (
        given if given is None or isinstance(given, (*ONE, bytes)) or not isinstance(given, Iterable) else list(given)
    )


def prepared_size(given: Any, image_size: int | tuple[int, int]) -> ImageSize:
    """The size of prepared pictures, of their short side or of (height, width)."""
    if not isinstance(image_size, int):
        return ImageSize.of(image_size)
    height, width = sizes_of(given, max_megapixels=MAX_MEGAPIXELS).T
    return size_in_shape(image_size, height, width, MULTIPLE) if len(height) else ImageSize.of(image_size)


def read(given: Any, preprocess: Preprocess) -> tuple[np.ndarray, PictureSet]:
    """Pictures as they are embedded, uint8 `(N, H, W, 3)`, and their names and hashes."""
    size = preprocess.image_size
    found = list(read_pictures(given, size, **preprocess.limits))
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
