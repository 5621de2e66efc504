"""Whether a graph says what its bundle says, on pictures; and which pictures, where nobody names any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from iad.bundles.predictor import Predictor
from iad.data.decode import decode_to_show
from iad.data.pictures import find
from iad.errors import IadError
from iad.export.runner import Graph
from iad.progress import track
from iad.words import counted

GENERATED = 16
LONGEST = 2**16  # pixels of a side: no picture is made smaller
LIMITS = {"fp32": (1e-4, 0.0), "int8": (0.1, 0.05)}
"""Largest difference of a score, as a share of the threshold, and share of the verdicts that may differ."""


@dataclass(frozen=True)
class Checked:
    """How far a graph is from its bundle.

    Attributes:
        pictures: that both inspected.
        generated: whether these were made from the bundle's small pictures, which says less than real ones.
        score_difference: the largest, as a share of the threshold (of the spread of calibration scores, if larger).
        map_difference: the largest, as a share of the largest value of the map; None of a method without maps.
        flipped: verdicts that differ.
    """

    pictures: int
    generated: bool
    score_difference: float
    map_difference: float | None
    flipped: int

    def record(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)

    def require(self, precision: str, origin: str) -> None:
        """Refuse what is beyond `LIMITS`.

        Raises:
            IadError: with both numbers.

        >>> Checked(10, False, 2e-4, None, 0).require("fp32", "bolts.iad")
        Traceback (most recent call last):
        iad.errors.IadError: bolts.iad: the graph differs too much: scores by up to 0.0002 of the threshold (0.0001 \
allowed), 0 of 10 verdicts flipped (0 allowed); nothing was written
        """
        apart, share = LIMITS[precision]
        allowed = int(share * self.pictures)
        if not self.score_difference <= apart or self.flipped > allowed:
            raise IadError(
                f"{origin}: the graph differs too much: scores by up to {self.score_difference:.2g} of the threshold "
                f"({apart:g} allowed), {self.flipped} of {self.pictures} verdicts flipped ({allowed} allowed); nothing "
                "was written"
            )


def check(graph: Graph, predictor: Predictor, pictures: Sequence[np.ndarray], *, generated: bool) -> Checked:
    """Compare a graph with its bundle.

    Args:
        graph: what was exported.
        predictor: of the bundle.
        pictures: uint8 `(H, W, 3)`, not prepared, so that the resize is compared too.
        generated: whether nobody took these.
    """
    scale = max(abs(predictor.threshold), float(predictor.bundle.calibration.scores.std()))
    scores, maps, flipped = [0.0], [], 0
    verdicts = predictor.predict(iter(pictures))
    for picture, verdict in zip(track(pictures, "checking the graph"), verdicts, strict=True):
        found = graph.inspect(picture)
        scores.append(abs(found.score - verdict.pred_score) / scale)
        flipped += found.rejected != verdict.rejected
        if verdict.anomaly_map is not None and found.anomaly_map is not None:
            largest = max(float(np.abs(verdict.anomaly_map).max()), float(np.finfo(np.float32).tiny))
            maps.append(float(np.abs(found.anomaly_map - verdict.anomaly_map).max()) / largest)
    return Checked(len(pictures), generated, max(scores), max(maps, default=None), flipped)


def read_all(folder: Path, limits: dict[str, Any]) -> tuple[list[np.ndarray], list[str]]:
    """Pictures as decoded, uint8 `(H, W, 3)` each, at their own size; and why others could not be read.

    Raises:
        IadError: if there is none, or none can be read.
    """
    found, unread = list[np.ndarray](), list[str]()
    for one in find(folder):
        try:
            found.append(decode_to_show(one.read(), str(one.path), LONGEST, **limits))
        except IadError as refusal:
            unread.append(str(refusal))
    if not found:
        raise IadError(f"{folder}: none of {counted(len(unread), 'picture')} can be read ({unread[0]})")
    return found, unread


def generate(predictor: Predictor) -> list[np.ndarray]:
    """Pictures where nobody names any: the bundle's small ones enlarged, every other with a square of noise."""
    pictures, rng = predictor.bundle.pictures, np.random.default_rng(0)
    rows = np.linspace(0, len(pictures) - 1, min(GENERATED, len(pictures))).astype(int)
    grids, look = pictures.grid_array()[rows], pictures.looks[0]
    found = []
    for number, grid in enumerate(grids):
        small = Image.fromarray(grid.reshape(grid.shape[0], -1)).convert("RGB")
        picture = np.array(small.resize((look.width, look.height), Image.Resampling.BICUBIC))
        if number % 2:
            height, width = (max(1, side // 4) for side in picture.shape[:2])
            picture[height : 2 * height, width : 2 * width] = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        found.append(picture)
    return found


def line(checked: Checked) -> str:
    """What was found, for a person to read.

    >>> line(Checked(10, True, 2e-6, 3e-5, 0))
    '10 pictures made from small ones (weaker than real ones): scores differ by up to 2e-06 of the threshold, maps by \
3e-05 of their largest value; 0 verdicts flipped'
    """
    which = "picture made from small ones" if checked.generated else "picture"
    many = "pictures made from small ones (weaker than real ones)" if checked.generated else "pictures"
    shown = f", maps by {checked.map_difference:.2g} of their largest value" if checked.map_difference else ""
    return (
        f"{counted(checked.pictures, which, many)}: scores differ by up to {checked.score_difference:.2g} of the "
        f"threshold{shown}; {counted(checked.flipped, 'verdict')} flipped"
    )
