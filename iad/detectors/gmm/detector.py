"""Gaussian mixture: negative log likelihood under a density of good pictures.

McLachlan and Peel, "Finite Mixture Models" (2000); fitted by scikit-learn. Features outnumber
pictures, so the density is that of their first principal components.
"""

from __future__ import annotations

import numpy as np

from iad.detectors.base import State
from iad.detectors.gmm import Options
from iad.detectors.transforms import fit_projection, products, projection_of, whole
from iad.detectors.vector import VectorDetector
from iad.errors import IadError

STARTS = 3


class Detector(VectorDetector[Options]):
    """The score is -log p(x) in nats, of either sign."""

    @property
    def fewest(self) -> int:
        """Two for each Gaussian, and more than the principal components."""
        return max(2 * self.options.components, whole(self.options.pca) + 1)

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
        whitening = model.precisions_cholesky_  # columns, where it is a matrix
        if options.covariance in {"full", "tied"}:
            whitening = np.ascontiguousarray(np.swapaxes(whitening, -1, -2))
        learned = {"weights": model.weights_, "means": model.means_, "whitening": np.asarray(whitening)}
        return State({**projected.arrays, **learned}, projected.values)

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Negative log density.

        >>> good = np.array([[-1.0], [1.0]])
        >>> fitted = Detector(Options(components=1, pca=0, regularization=0)).fit(good)  # mean 0, variance 1
        >>> round(float(fitted.score(np.array([[0.0]]))[0]), 6), round(float(np.log(2 * np.pi) / 2), 6)
        (0.918939, 0.918939)
        """
        placed = projection_of(self.learned).project(rows) if self.options.pca else rows
        logs = [self._log_density(placed, gaussian) for gaussian in range(len(self.learned.arrays["weights"]))]
        return -np.asarray(np.logaddexp.reduce(logs, axis=0))

    def _log_density(self, rows: np.ndarray, gaussian: int) -> np.ndarray:
        """Weighted log density float64 `(M,)` of one Gaussian."""
        arrays, dimensions = self.learned.arrays, rows.shape[1]
        whitening = arrays["whitening"] if self.options.covariance == "tied" else arrays["whitening"][gaussian]
        centred = rows - arrays["means"][gaussian]
        if whitening.ndim == 2:
            white, scales = products(centred, whitening), np.diagonal(whitening)
        else:
            white, scales = centred * whitening, np.broadcast_to(whitening, dimensions)
        squared = np.square(white).sum(axis=1)
        constant = np.log(arrays["weights"][gaussian]) + np.log(scales).sum() - dimensions * np.log(2 * np.pi) / 2
        return np.asarray(constant - squared / 2)

    def _require(self, n: int, dimensions: int) -> None:
        options = self.options
        if n < 2 * options.components:
            raise IadError(
                f"{options.section}.components = {options.components}: {n} good pictures are too few, two for each "
                f"Gaussian is the least; set it to {max(n // 2, 1)} or less, or add good pictures: it takes "
                f"{2 * options.components} at least"
            )
        if options.covariance in {"full", "tied"} and n <= dimensions:
            raise IadError(
                f"{options.section}.covariance = {options.covariance}: {n} good pictures do not determine it for "
                f"{dimensions} features; set it to diag, or {options.section}.pca to {n - 1} components or less, or "
                f"add good pictures: it takes {dimensions + 1} at least"
            )
