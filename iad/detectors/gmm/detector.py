"""Gaussian mixture: negative log likelihood under a density of good pictures.

McLachlan and Peel, "Finite Mixture Models" (2000); fitted by expectation maximisation. Features outnumber pictures, so
the density is that of their first principal components.
"""

from __future__ import annotations

import numpy as np

from iad.detectors.classical import Score
from iad.detectors.projection import fit_projection
from iad.errors import IadError

STARTS = 3
SECTION = "classical.gmm"


def fit(
    features: np.ndarray, *, components: int, covariance: str, pca: float, regularization: float, seed: int
) -> Score:
    """Fit a mixture to good pictures; the score is -log p(x) in nats, of either sign.

    Args:
        features: float64 `(N, D)`.
        components: number of Gaussians.
        covariance: "full", "tied", "diag" or "spherical".
        pca: project onto principal components first: a share of the variance below 1, or their number; 0: do not.
        regularization: added to each variance, in squared feature units.
        seed: of the three starts, of which the best counts.

    Raises:
        IadError: if there are too few pictures for the Gaussians, or for full covariances of so many features.
    """
    projection = fit_projection(features, pca, name=f"{SECTION}.pca") if pca else None
    placed = projection.project(features) if projection else features
    _require(placed, components, covariance)
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(
        n_components=components, covariance_type=covariance, reg_covar=regularization, n_init=STARTS, random_state=seed
    ).fit(placed)
    return lambda rows: -np.asarray(model.score_samples(projection.project(rows) if projection else rows))


def _require(placed: np.ndarray, components: int, covariance: str) -> None:
    n, dimensions = placed.shape
    if n < 2 * components:
        raise IadError(
            f"{SECTION}.components = {components}: {n} good pictures are too few, two for each Gaussian is the least; "
            f"set it to {max(n // 2, 1)} or less, or add good pictures"
        )
    if covariance in {"full", "tied"} and n <= dimensions:
        raise IadError(
            f"{SECTION}.covariance = {covariance}: {n} good pictures do not determine it for {dimensions} features; "
            f"take diag, set {SECTION}.pca below {n}, or add good pictures"
        )
