"""Whether verdicts hold when a picture changes as it may on any line, and its part does not."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from iad.bundles.predictor import Predictor
from iad.bundles.verdict import Verdict
from iad.data.decode import decode_to_show
from iad.data.image_size import ImageSize
from iad.data.pictures import PictureFile
from iad.progress import track

WHOLE = 10**6  # pixels on the longer side: larger than any picture that is read
SHIFT = 2  # pixels of the file
QUALITY = 90  # of a JPEG

Change = Callable[[Image.Image, ImageSize], Image.Image]


@dataclass(frozen=True)
class Nuisance:
    """What one change does to the verdicts of a study.

    Attributes:
        name: of the change.
        pictures: how many were changed.
        to_rejected: how many passed before, and no longer do.
        to_passed: the other way round.
        typical: median over pictures of |change of the score| / |distance of the score to the threshold|; a verdict
            flips only from 1 on.
        largest: the largest of these; infinite where a score that lay on the threshold moved.
    """

    name: str
    pictures: int
    to_rejected: int
    to_passed: int
    typical: float
    largest: float


def changed_verdicts(
    predictor: Predictor, files: Sequence[PictureFile], verdicts: Sequence[Verdict]
) -> tuple[Nuisance, ...]:
    """Inspect every picture once more in each changed form.

    Args:
        predictor: the bundle.
        files: N pictures that it has read.
        verdicts: what it said of them.

    Raises:
        IadError: if a picture cannot be read any more.
    """
    total = len(files) * len(CHANGES)
    stream = track(_changed(predictor, files), "inspecting changed pictures", total=total)
    scores = [one.pred_score for one in predictor.predict(stream, maps=False)]
    before = np.array([one.pred_score for one in verdicts])
    after = np.array(scores).reshape(len(files), len(CHANGES))
    return tuple(
        compared(name, before, after[:, column], predictor.threshold) for column, name in enumerate(CHANGES)
    )  # fmt: skip


def compared(name: str, before: np.ndarray, after: np.ndarray, threshold: float) -> Nuisance:
    """What a change of pictures did to their scores.

    Args:
        name: of the change.
        before: float64 `(N,)`, scores of the pictures as they were.
        after: float64 `(N,)`, of the changed ones.
        threshold: a score at or above it is rejected.

    >>> found = compared("dark", np.array([1.0, 3.0]), np.array([1.5, 1.0]), 2.0)
    >>> found.to_rejected, found.to_passed, found.typical, found.largest
    (0, 1, 1.25, 2.0)
    """
    moved, distance = np.abs(after - before), np.abs(before - threshold)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(moved > 0, moved / distance, 0.0)
    was, now = before >= threshold, after >= threshold
    return Nuisance(
        name, len(before), int((~was & now).sum()), int((was & ~now).sum()), float(np.median(share)), float(share.max())
    )


def _changed(predictor: Predictor, files: Sequence[PictureFile]) -> Iterator[Image.Image]:
    how = predictor.bundle.preprocess
    for file in files:
        whole = Image.fromarray(decode_to_show(file.read(), str(file.path), WHOLE, **how.limits))
        for change in CHANGES.values():
            yield change(whole, how.image_size)


def _brighter(factor: float) -> Change:
    # the table of 256 values three times, one per channel: what a longer exposure does, clipped at white
    table = [min(255, round(factor * value)) for value in range(256)] * 3
    return lambda picture, _: picture.point(table)


def _shifted(picture: Image.Image, _: ImageSize) -> Image.Image:
    """To the right and down; the border repeats itself."""
    values = np.pad(np.asarray(picture), ((SHIFT, 0), (SHIFT, 0), (0, 0)), mode="edge")
    return Image.fromarray(values[:-SHIFT, :-SHIFT])


def _jpeg(picture: Image.Image, _: ImageSize) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return Image.open(file).convert("RGB")


def _without_antialiasing(picture: Image.Image, size: ImageSize) -> Image.Image:
    """To the method's size as OpenCV's INTER_LINEAR does it: of the four nearest pixels, however many there are."""
    height, width = size
    matrix = (picture.width / width, 0, 0, 0, picture.height / height, 0)
    return picture.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


CHANGES: dict[str, Change] = {
    "brightness x 0.8": _brighter(0.8),
    "brightness x 0.9": _brighter(0.9),
    "brightness x 1.1": _brighter(1.1),
    "brightness x 1.2": _brighter(1.2),
    f"shift by {SHIFT} px": _shifted,
    f"JPEG {QUALITY}": _jpeg,
    "resize without antialiasing": _without_antialiasing,
}
