"""From patch embeddings to an anomaly map and a score: distances to a memory bank, and which of the patches count."""

from __future__ import annotations

import math

import numpy as np

from iad.detectors.aggregation import above_quantile, aggregate_maps
from iad.detectors.base import Prediction
from iad.detectors.patch import Options
from iad.detectors.patch.foreground import Foreground
from iad.detectors.patch.memory_bank import MemoryBank
from iad.neighbors.rows import Rows


def predict(
    bank: MemoryBank, foreground: Foreground | None, pictures: Rows, options: Options, *,
    leave_out: np.ndarray | None = None,
) -> Prediction:  # fmt: skip
    """Compare pictures with a bank.

    Args:
        bank: of good patches.
        foreground: what shows the object; None: every patch counts.
        pictures: float16 or float32 `(M, h, w, D)`.
        options: how distances become maps and scores.
        leave_out: as in `MemoryBank.distance_maps`.

    Returns:
        Maps and scores; a map is what lies above the quantile `map_above` of the picture's own distances, the score is
        that of the distances themselves.

    Raises:
        IadError: if fewer than k patches are left to compare with.
    """
    maps = bank.distance_maps(pictures, num_neighbors=options.k, leave_out=leave_out)
    if foreground is None:
        scores = patch_scores(bank, pictures, maps, options, leave_out=leave_out)
    else:
        maps, scores = foreground_scores(bank, foreground, pictures, maps, options, leave_out=leave_out)
    return Prediction(scores, above_quantile(maps, options.map_above) if options.map_above else maps)


def patch_scores(
    bank: MemoryBank, pictures: Rows, maps: np.ndarray, options: Options, *, leave_out: np.ndarray | None = None
) -> np.ndarray:
    """One score per picture: the worst distances of its map, less a share of its median.

    Args:
        bank: what the maps are distances to.
        pictures: float16 or float32 `(M, h, w, D)`; read by "reweighted" alone.
        maps: float32 `(M, h, w)`, from `bank.distance_maps`.
        options: `aggregate` says which distances count; `top_patches`, `top_share` and `subtract_median` how many and
            how much.
        leave_out: as in `MemoryBank.distance_maps`.

    Returns:
        float64 `(M,)`, higher = more anomalous.

    >>> bank, maps = MemoryBank(np.zeros((1, 1, 1, 1), np.float32)), np.float32([[[0, 1], [3, 4]]])
    >>> options = Options(aggregate="top", top_patches=2, subtract_median=0.25)
    >>> patch_scores(bank, maps[..., None], maps, options).tolist()  # 3.5, less a quarter of 2
    [3.0]
    """
    if options.aggregate == "reweighted":
        return _less_median(bank.reweighted(pictures, maps, leave_out=leave_out), maps, options)
    return map_scores(maps, options)


def map_scores(maps: np.ndarray, options: Options) -> np.ndarray:
    """The same from the maps alone, float32 `(M, h, w)`, where `aggregate` is "max" or "top".

    >>> map_scores(np.float32([[[0, 1], [3, 4]]]), Options(aggregate="max", subtract_median=0)).tolist()
    [4.0]
    """
    patches = maps.shape[1] * maps.shape[2]
    worst = max(options.top_patches, math.ceil(options.top_share * patches))
    scores = aggregate_maps(maps, aggregate=options.aggregate, top_share=min(worst / patches, 1.0))
    return _less_median(scores, maps, options)


def _less_median(scores: np.ndarray, maps: np.ndarray, options: Options) -> np.ndarray:
    medians = np.median(maps.reshape(len(maps), maps.shape[1] * maps.shape[2]), axis=1)
    return np.asarray(scores - options.subtract_median * medians)


def foreground_scores(
    bank: MemoryBank, foreground: Foreground, pictures: Rows, maps: np.ndarray, options: Options, *,
    leave_out: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Keep the foreground of distance maps, and score it.

    A picture that shows no object at all is not good, although its background is: all its patches are compared with the
    object's patches alone, which lie far from any background.

    Args:
        bank: what the maps are distances to, foreground and background.
        foreground: what shows the object.
        pictures: float16 or float32 `(M, h, w, D)`.
        maps: float32 `(M, h, w)`, from `bank.distance_maps`.
        options: as in `patch_scores`; the worst patches and the median are those among the patches that show the
            object.
        leave_out: as in `MemoryBank.distance_maps`, for pictures that do show an object.

    Returns:
        Maps, float32 `(M, h, w)`, 0 outside the foreground; and scores, float64 `(M,)`, higher = more anomalous.

    >>> bank, bright = MemoryBank(np.float32([[[[0], [5]]]])), Foreground(np.float32([1]), 4.0)
    >>> dark = np.zeros((1, 1, 2, 1), dtype=np.float32)  # known background, but no object
    >>> maps, scores = foreground_scores(
    ...     bank, bright, dark, bank.distance_maps(dark, num_neighbors=1), Options(subtract_median=0)
    ... )
    >>> maps.tolist(), scores.tolist()
    ([[[5.0, 5.0]]], [5.0])
    """
    masks = foreground.masks(pictures)
    kept, scores = np.where(masks, maps, np.float32(0)), np.empty(len(maps))
    objects = None if masks.any(axis=(1, 2)).all() else _object_bank(bank, foreground)
    for number, inside in enumerate(masks):
        picture = pictures[number]
        compared, hidden = bank, None if leave_out is None else leave_out[number : number + 1]
        if objects is not None and not inside.any():
            compared, hidden, inside = objects, None, np.ones_like(inside)
            kept[number] = objects.distance_maps(picture[None], num_neighbors=options.k)[0]
        scores[number] = patch_scores(
            compared, picture[inside][None, None], kept[number][inside][None, None], options, leave_out=hidden
        )[0]
    return kept, scores


def _object_bank(bank: MemoryBank, foreground: Foreground) -> MemoryBank:
    patches = bank.search.bank.cpu().numpy()
    shown = foreground.shows_object(patches)
    return MemoryBank.of_rows(
        patches[shown], bank.rows[shown], per_picture=bank.per_picture, device=bank.search.device.type
    )
