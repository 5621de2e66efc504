"""K-fold scores of good pictures: each is scored by a detector that has not seen it.

Stone, "Cross-Validatory Choice and Assessment of Statistical Predictions" (1974). A fold's detector is fitted on fewer
pictures than the one that scores new parts. It knows good pictures less well, so calibration scores tend to lie a
little high, and a threshold from them too. That is the price of refitting a few times only; more folds lower it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from iad.errors import IadError
from iad.progress import track


def draw_folds(n: int, folds: int, seed: int) -> np.ndarray:
    """Draw the fold of each row, int64 `(n,)` in [0, folds); sizes differ by one at most.

    >>> sorted(draw_folds(5, 2, seed=0).tolist())
    [0, 0, 0, 1, 1]
    """
    fold_of = np.empty(n, dtype=np.int64)
    fold_of[np.random.default_rng(seed).permutation(n)] = np.arange(n) % folds
    return fold_of


def k_fold_scores(
    fit: Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]],
    features: np.ndarray,
    *,
    folds: int,
    seed: int,
    name: str,
) -> np.ndarray:
    """Score each row by a detector fitted to the rows of the other folds.

    Args:
        fit: from features `(n, D)` to a function from features `(m, D)` to scores `(m,)`.
        features: `(N, D)`, good pictures.
        folds: number of folds, at least 2.
        seed: of the folds.
        name: of the parameter that holds `folds`; a refusal begins with it.

    Returns:
        float64 `(N,)`, higher = more anomalous.

    Raises:
        IadError: if there are more folds than rows.
    """
    if len(features) < folds:
        raise IadError(
            f"{name} = {folds}: only {len(features)} good pictures to divide; set it to {max(len(features), 2)} "
            "or less, or add good pictures"
        )
    fold_of, scores = draw_folds(len(features), folds, seed), np.empty(len(features))
    for fold in track(range(folds), "fold by fold", total=folds, unit=" folds"):
        held = fold_of == fold
        scores[held] = fit(features[~held])(features[held])
    return scores
