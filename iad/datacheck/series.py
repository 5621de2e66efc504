"""Series: pictures taken one after the other that resemble each other more than others do, as frames of a film.

If the picture that a good one resembles most is its neighbour in the order of names, far more often than chance has it,
the pictures follow a series: of one part, of a batch, of a camera that moved little. A split by pictures then puts
neighbours on both sides, though no two need be near copies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from iad.datacheck.copies import standardized
from iad.datacheck.findings import Finding
from iad.words import percent

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 20  # good pictures
MOST = 500  # of which so many are looked at, spread evenly, each beside all others
SHARE = 0.2
DEVIATIONS = 4.0


def check_series(manifest: pd.DataFrame, grids: np.ndarray, usable: np.ndarray) -> Iterator[Finding]:
    """Find out whether good pictures resemble their neighbours in the order of names; none where groups are known.

    Args:
        manifest: N rows, of which `image_id` and `label` are read.
        grids: uint8 `(N, G, G)`, small grey versions.
        usable: bool `(N,)`, False for pictures that show nothing.
    """
    rows = np.flatnonzero((manifest["label"].to_numpy() == 0) & usable)
    if len(rows) < FEWEST or "group" in manifest:
        return
    names = manifest["image_id"].to_numpy()
    ordered = rows[sorted(range(len(rows)), key=lambda place: _natural(names[rows[place]]))]
    share, looked_at = neighbour_share(grids[ordered])
    chance = 2 / (len(rows) - 1)
    beyond = (share - chance) / np.sqrt(chance * (1 - chance) / looked_at)
    if share < SHARE or beyond < DEVIATIONS:
        return
    what = (
        f"{percent(round(share, 3))} of the good pictures resemble most the one before or after them in the order of "
        f"names, where chance has {percent(round(chance, 3))}: they follow a series"
    )
    effect = (
        "neighbours on both sides of the split can make results better than on parts never seen, and thresholds too low"
    )
    advice = "if a part, batch or series has several pictures, name it with data.folder.groups; docs/data.md"
    yield Finding("series", what, [], effect, advice)


def neighbour_share(grids: np.ndarray) -> tuple[float, int]:
    """Share of pictures whose nearest other one is the one before or after, and how many were looked at.

    Args:
        grids: uint8 `(K, G, G)`, in their order, K at least 3.

    >>> walk = np.cumsum(np.random.default_rng(0).normal(size=(30, 8, 8)), axis=0) + 100
    >>> neighbour_share(walk)[0] > 0.9, neighbour_share(np.random.default_rng(0).normal(size=(90, 8, 8)))[0] < 0.1
    (True, True)
    """
    pictures = standardized(grids)
    pictures -= pictures.mean(axis=0)
    pictures /= np.maximum(np.linalg.norm(pictures, axis=1, keepdims=True), np.float32(1e-6))
    count = min(len(pictures), MOST)
    asked = np.arange(count) * len(pictures) // count
    alike = pictures[asked] @ pictures.T  # (A, K)
    alike[np.arange(count), asked] = -np.inf
    return float((np.abs(alike.argmax(axis=1) - asked) == 1).mean()), count


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts part2 before part10, whatever the folders."""
    last = name.rpartition("/")[2]
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.findall(r"\d+|\D+", last)]
