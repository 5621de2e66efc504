"""What is said of one picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from iad.data.pictures import Look


Naming: TypeAlias = Callable[[np.ndarray], list[str]]
"""From prepared pictures of rejected parts, uint8 `(N, H, W, 3)`, to the likely kinds of their defects."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a predictor says of one picture.

    Attributes:
        image_id: the picture's name: its path below the folder that was named, its file's name, or its number among
            those that were given. Two folders may hold the same names; `path` tells them apart.
        path: its file, as it was named; None of an array or a PIL picture.
        pred_score: float, higher = more anomalous; NaN where `error` is set.
        p_value: conformal, (1 + calibration scores at least as high) / (1 + calibration scores): small means that few
            good pictures look so odd. NaN where `error` is set.
        rejected: whether `pred_score >= threshold`; None where `error` is set, or the bundle has too few good pictures
            to decide: such a picture is neither.
        anomaly_map: float32 `(H, W)` at the size of the prepared picture, smoothed, higher = more anomalous; None of a
            method that cannot say where.
        known: whether the bundle was made of this very picture, fitted to it or calibrated with it, so that its
            verdict says nothing: the same file, or another with the same pixels.
        error: why there is no verdict, in one line; empty where there is one.
        look: how the picture was taken and saved; None where `error` is set.
        sha256: hex, of the file's bytes; empty of an array, a PIL picture or what could not be read.
        levels: the darkest and the brightest value of the prepared picture, 0 to 255; None where `error` is set.
        sight: what the picture shows beside those of the bundle, see `iad.bundles.sight`; None where `error` is set.
        kind: the likely kind of defect of a rejected part; empty of others, and where nobody asked for it.
    """

    image_id: str
    path: Path | None
    pred_score: float
    p_value: float
    rejected: bool | None
    anomaly_map: np.ndarray | None = None
    known: bool = False
    error: str = ""
    look: Look | None = None
    sha256: str = ""
    levels: tuple[int, int] | None = None
    sight: tuple[float, ...] | None = None
    kind: str = ""

    @property
    def name(self) -> str:
        """The picture's path where it has one, which no other picture has, or else its `image_id`.

        >>> Verdict("a.png", Path("new/a.png"), 0.75, 0.25, False).name, Verdict("0", None, 0.75, 0.25, False).name
        ('new/a.png', '0')
        """
        return self.image_id if self.path is None else self.path.as_posix()

    @property
    def said(self) -> str:
        """The verdict in words.

        >>> Verdict("a.png", None, 0.75, 0.25, None).said
        'no verdict'
        """
        return {True: "rejected", False: "passed", None: "no verdict"}[self.rejected]

    def without_map(self) -> Verdict:
        """The same without its map, which is large."""
        return replace(self, anomaly_map=None)


def kinds_of(pixels: Sequence[np.ndarray], rejected: Sequence[bool | None], naming: Naming | None) -> list[str]:
    """The likely kind of each defect: empty of parts that were not rejected, and where nobody names them.

    >>> kinds_of([np.zeros((1, 1, 3)), np.ones((1, 1, 3))], [False, True], lambda some: ["hole"] * len(some))
    ['', 'hole']
    """
    rows = [row for row, one in enumerate(rejected) if one]
    found = [""] * len(pixels)
    if naming is not None and rows:
        for row, kind in zip(rows, naming(np.stack([pixels[row] for row in rows])), strict=True):
            found[row] = kind
    return found
