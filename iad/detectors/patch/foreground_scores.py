"""Distance maps and their scores where only the places that show the object count."""

from __future__ import annotations

import numpy as np

from iad.detectors.patch.foreground import Foreground
from iad.detectors.patch.memory_bank import MemoryBank
from iad.detectors.patch.scores import patch_scores
from iad.neighbors.patch_view import PatchView


def foreground_scores(
    bank: MemoryBank,
    foreground: Foreground,
    pictures: np.ndarray | PatchView,
    maps: np.ndarray,
    *,
    k: int,
    aggregate: str,
    top_places: int,
    subtract_median: float,
    own: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Keep the foreground of distance maps, and score it.

    A picture that shows no object at all is not good, although its background is: all its places are compared with the
    object's patches alone, which lie far from any background.

    Args:
        bank: what the maps are distances to, foreground and background.
        foreground: what shows the object.
        pictures: float16 or float32 `(M, h, w, D)`, or a view.
        maps: float32 `(M, h, w)`, from `bank.distance_maps`.
        k: number of neighbours, as in the maps.
        aggregate: as in `patch_scores`.
        top_places: as in `patch_scores`, among those that show the object; all of these where they are fewer.
        subtract_median: as in `patch_scores`, of the median over the places that show the object.
        own: as in `MemoryBank.distance_maps`, for pictures that do show an object.

    Returns:
        Maps, float32 `(M, h, w)`, 0 outside the foreground; and scores, float64 `(M,)`, higher = more anomalous.
    """
    places = foreground.masks(pictures)
    kept, scores = np.where(places, maps, np.float32(0)), np.empty(len(maps))
    objects = None if places.any(axis=(1, 2)).all() else _object_bank(bank, foreground)
    for number, inside in enumerate(places):
        picture = pictures[number]
        compared, hidden = bank, None if own is None else own[number : number + 1]
        if objects is not None and not inside.any():
            compared, hidden, inside = objects, None, np.ones_like(inside)
            kept[number] = objects.distance_maps(picture[None], k=k, title="picture without an object")[0]
        scores[number] = patch_scores(
            compared, picture[inside][None, None], kept[number][inside][None, None],
            aggregate=aggregate, top_places=top_places, subtract_median=subtract_median, own=hidden,
        )[0]  # fmt: skip
    return kept, scores


def _object_bank(bank: MemoryBank, foreground: Foreground) -> MemoryBank:
    patches = bank.search.bank.cpu().numpy()
    shown = foreground.shows_object(patches)
    return MemoryBank.of_rows(
        patches[shown], bank.rows[shown], per_picture=bank.per_picture, device=bank.search.device.type
    )
