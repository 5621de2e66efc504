"""Gaussian mixture: negative log likelihood under a density of good pictures.

McLachlan and Peel, "Finite Mixture Models" (2000); fitted by expectation maximisation. Features outnumber pictures, so
the density is that of their first principal components.
"""

from __future__ import annotations

import numpy as np

from iad.detectors.base import State
from iad.detectors.gmm import Options
from iad.detectors.transforms import fit_projection, projection_of
from iad.detectors.vector import VectorDetector
from iad.errors import IadError

STARTS = 3
FITTED = ("weights_", "means_", "covariances_", "precisions_cholesky_")  # of scikit-learn's model


class Detector(VectorDetector[Options]):
    """The score is -log p(x) in nats, of either sign."""

    def learn(self, rows: np.ndarray) -> State:
        """The best mixture of three starts, of the principal components where `pca` asks for them.

        Raises:
            IadError: if there are too few pictures for the Gaussians, or for full covariances of so many features.
        """
        options, projected = self.options, State()
        if options.pca:
            projection = fit_projection(rows, options.pca, name=f"{options.section}.pca")
            projected, rows = projection.state(), projection.project(rows)
        self._require(*rows.shape)
        from sklearn.mixture import GaussianMixture

        model = GaussianMixture(
            n_components=options.components, covariance_type=options.covariance, reg_covar=options.regularization,
            n_init=STARTS, random_state=self.seed,
        ).fit(rows)  # fmt: skip
        fitted = {name: np.asarray(getattr(model, name)) for name in FITTED}
        return State({**projected.arrays, **fitted}, projected.values)

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Negative log density."""
        from sklearn.mixture import GaussianMixture

        arrays = self.learned.arrays
        placed = projection_of(self.learned).project(rows) if self.options.pca else rows
        model = GaussianMixture(n_components=self.options.components, covariance_type=self.options.covariance)
        for name in FITTED:
            setattr(model, name, arrays[name])
        return -np.asarray(model.score_samples(placed))

    def _require(self, n: int, dimensions: int) -> None:
        options = self.options
        if n < 2 * options.components:
            raise IadError(
                f"{options.section}.components = {options.components}: {n} good pictures are too few, two for each "
                f"Gaussian is the least; set it to {max(n // 2, 1)} or less, or add good pictures"
            )
        if options.covariance in {"full", "tied"} and n <= dimensions:
            raise IadError(
                f"{options.section}.covariance = {options.covariance}: {n} good pictures do not determine it for "
                f"{dimensions} features; take diag, set {options.section}.pca below {n}, or add good pictures"
            )
