"""Maps and scores of pictures from their patches and a memory bank: what the stage and a bank file share."""

from __future__ import annotations

from typing import Any

import numpy as np

from iad.detectors.aggregation import above_quantile
from iad.detectors.patch.foreground import Foreground
from iad.detectors.patch.foreground_scores import foreground_scores
from iad.detectors.patch.memory_bank import MemoryBank
from iad.detectors.patch.scores import patch_scores
from iad.neighbors.patch_view import PatchView


def judge_pictures(
    bank: MemoryBank,
    foreground: Foreground | None,
    pictures: np.ndarray | PatchView,
    *,
    k: int,
    aggregate: str,
    top_places: int,
    subtract_median: float,
    map_above: float,
    title: str,
    own: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Compare pictures with a bank.

    Args:
        bank: of good patches.
        foreground: what shows the object; None: every place counts.
        pictures: float16 or float32 `(M, h, w, D)`, or a view.
        k: number of neighbours.
        aggregate: as in `patch_scores`.
        top_places: as in `patch_scores`.
        subtract_median: as in `patch_scores`.
        map_above: as in `above_quantile`; 0 leaves the maps as they are. The scores do not change.
        title: of the progress bar.
        own: as in `MemoryBank.distance_maps`.

    Returns:
        Maps, float32 `(M, h, w)`, and scores, float64 `(M,)`; higher = more anomalous.

    Raises:
        IadError: if fewer than k patches are left to compare with.
    """
    maps = bank.distance_maps(pictures, k=k, title=title, own=own)
    chosen: dict[str, Any] = {
        "aggregate": aggregate, "top_places": top_places, "subtract_median": subtract_median, "own": own,
    }  # fmt: skip
    if foreground is None:
        scores = patch_scores(bank, pictures, maps, **chosen)
    else:
        maps, scores = foreground_scores(bank, foreground, pictures, maps, k=k, **chosen)
    return above_quantile(maps, map_above) if map_above else maps, scores
