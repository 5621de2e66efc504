"""Classical detectors on frozen features, most of them from scikit-learn. One module per detector, and one line here.

A module holds a function `fit(features, *, ...) -> score`. `features` is float64 `(N, D)`, of good pictures only; the
keyword-only options are named like the keys of the detector's section in `params.yaml`, and a function that draws
random numbers also takes `seed`. `score` takes float64 `(M, D)` and returns float64 `(M,)`, higher = more anomalous.
Its scale must not grow with N, since calibration scores come from fits on fewer pictures than those of new parts.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from iad.detectors.scaling import fit_scaling, no_scaling
from iad.errors import IadError, unknown

DETECTORS = {
    "gmm": "iad.detectors.classical.gmm",
    "isolation_forest": "iad.detectors.classical.isolation_forest",
    "kmeans": "iad.detectors.classical.kmeans",
    "lof": "iad.detectors.classical.lof",
    "mahalanobis": "iad.detectors.classical.mahalanobis",
    "ocsvm": "iad.detectors.classical.ocsvm",
    "pca": "iad.detectors.classical.pca",
    "zscore": "iad.detectors.classical.zscore",
}

Score: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""From features `(M, D)` to scores, float64 `(M,)`, higher = more anomalous."""


def fit_detector(name: str, features: np.ndarray, *, standardize: bool, seed: int, options: Mapping[str, Any]) -> Score:
    """Fit a detector to features of good pictures.

    Args:
        name: key of `DETECTORS`.
        features: `(N, D)` of any float type.
        standardize: scale every feature by its mean and deviation over these rows first.
        seed: of the detectors that draw random numbers.
        options: further keyword arguments of the detector's `fit`.

    Returns:
        A function from features `(M, D)` to scores, float64 `(M,)`, higher = more anomalous.

    Raises:
        IadError: if the detector is unknown, a feature is not finite, there are fewer than two pictures, or as the
            detector says.

    >>> good = np.array([[0.0, 1.0], [2.0, 1.0]], dtype=np.float32)
    >>> score = fit_detector("zscore", good, standardize=False, seed=0, options={"aggregate": "max"})
    >>> score(np.array([[1.0, 1.0], [4.0, 1.0]]))
    array([0., 3.])
    """
    if name not in DETECTORS:
        raise unknown("classical detector", name, DETECTORS)
    if len(features) < 2:
        raise IadError(f"classical.{name}: {len(features)} good picture to fit to; add good pictures")
    fit = importlib.import_module(DETECTORS[name]).fit
    seeded = {"seed": seed} if "seed" in inspect.signature(fit).parameters else {}
    scaling = fit_scaling(features) if standardize else no_scaling(features.shape[1])

    def prepare(rows: np.ndarray) -> np.ndarray:
        if not np.isfinite(rows).all():
            raise IadError(f"classical.{name}: features that are not finite; run `dvc repro --force` for their stage")
        return scaling.apply(rows)

    with _one_thread():
        score = fit(prepare(features), **seeded, **options)

    def scored(rows: np.ndarray) -> np.ndarray:
        with _one_thread():
            return np.asarray(score(prepare(rows)), dtype=np.float64)

    return scored


def _one_thread() -> Any:
    # scikit-learn's OpenMP loops add up in the order in which threads finish, which changes the last digits
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="openmp")
