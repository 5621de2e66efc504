"""Whether the border of the pictures gives the class away: another product, fixture or tray, where no defect lies.

A ridge classifier on the outermost places of small grey versions, scored out of sample. Brightness and contrast of each
picture are taken off first, since they are looked at by themselves. Folds are runs of neighbours in the order of names,
so that pictures taken one after the other, which resemble each other for that reason, are kept together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from iad.datacheck.confounds import SEPARATES, auroc, is_beyond_chance
from iad.datacheck.findings import Finding

if TYPE_CHECKING:
    import pandas as pd

RING = 2  # of 32 places from each side
FOLDS = 5
DEVIATIONS = 3.0
"""From chance: fewer than for plain numbers, of which there are five and none is scored out of sample."""
MOST = 300  # pictures of a class that are looked at, spread evenly
RIDGE = 0.1  # as a share of the trace


def check_border(manifest: pd.DataFrame, grids: np.ndarray) -> Iterator[Finding]:
    """Find out whether the border alone tells defective from good test pictures.

    Args:
        manifest: N rows, sorted by name, of which `split` and `label` are read.
        grids: uint8 `(N, G, G)`, small grey versions.
    """
    label = manifest["label"].to_numpy()
    test = (manifest["split"] == "test").to_numpy()
    good, defective = (_spread(np.flatnonzero(test & (label == one))) for one in (0, 1))
    if min(len(good), len(defective)) < FOLDS:
        return
    value = separation(border_features(grids[good]), border_features(grids[defective]))
    if value < SEPARATES or not is_beyond_chance(value, len(good), len(defective), deviations=DEVIATIONS):
        return
    what = (
        f"the border of the pictures alone tells defective from good test pictures (AUROC {value:.3f}, out of sample)"
    )
    effect = "a method may know the classes by place, tray or product and find no defect"
    advice = "look at both side by side, and take them in the same place, unless defects reach the border"
    yield Finding("confound_border", what, [], effect, advice)


def border_features(grids: np.ndarray) -> np.ndarray:
    """What the outermost places hold, and how much they change along each side, float64 `(N, F)`.

    Args:
        grids: uint8 `(N, G, G)`, small grey versions.

    >>> border_features(np.zeros((3, 32, 32), np.uint8)).shape
    (3, 248)
    """
    pictures = grids.astype(np.float64)
    pictures -= pictures.mean(axis=(1, 2), keepdims=True)
    pictures /= np.maximum(pictures.std(axis=(1, 2), keepdims=True), 1e-6)
    ring = np.ones(grids.shape[1:], dtype=bool)
    ring[RING:-RING, RING:-RING] = False
    changes = [
        np.abs(np.diff(side, axis=axis)).mean(axis=(1, 2))
        for side in (pictures[:, :RING], pictures[:, -RING:], pictures[:, :, :RING], pictures[:, :, -RING:])
        for axis in (1, 2)
    ]
    return np.concatenate([pictures[:, ring], np.stack(changes, axis=1)], axis=1)


def separation(good: np.ndarray, defective: np.ndarray) -> float:
    """AUROC of a ridge classifier, each fold scored by one fitted to the others, in [0, 1].

    Args:
        good: float64 `(K, F)`, at least one row per fold, neighbours beside each other.
        defective: float64 `(L, F)`, likewise.

    >>> rows = np.random.default_rng(0).normal(size=(40, 3))
    >>> separation(rows[:20], rows[20:] + [5, 0, 0]), round(separation(rows[:20], rows[20:]), 1) < 0.8
    (1.0, True)
    """
    runs = [np.arange(len(rows)) * FOLDS // len(rows) for rows in (good, defective)]
    found = [np.empty(len(rows)) for rows in (good, defective)]
    for fold in range(FOLDS):
        score = _classifier(*[rows[run != fold] for rows, run in zip((good, defective), runs, strict=True)])
        for rows, run, scores in zip((good, defective), runs, found, strict=True):
            scores[run == fold] = score(rows[run == fold])
    return auroc(found[1], found[0])


def _classifier(good: np.ndarray, defective: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    rows = np.concatenate([good, defective])
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    rows = (rows - mean) / deviation
    target = np.repeat([-1 / len(good), 1 / len(defective)], [len(good), len(defective)])
    kernel = rows @ rows.T
    ridge = max(RIDGE * np.trace(kernel), 1e-9)  # all borders may be the same
    weights = np.linalg.solve(kernel + ridge * np.eye(len(rows)), target)
    direction = rows.T @ weights
    return lambda new: np.asarray((new - mean) / deviation @ direction)


def _spread(rows: np.ndarray) -> np.ndarray:
    return rows if len(rows) <= MOST else rows[np.arange(MOST) * len(rows) // MOST]
