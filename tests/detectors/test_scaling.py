"""Scaling against NumPy's mean and standard deviation."""

import numpy as np

from iad.detectors import scaling
from iad.detectors.scaling import fit_scaling


def test_features_are_scaled_by_mean_and_deviation_whatever_the_blocks(monkeypatch):
    features = np.random.default_rng(0).normal(3, [1, 10, 100], (50, 3)).astype(np.float32)
    wanted = (features - features.mean(axis=0, dtype=np.float64)) / features.std(axis=0, dtype=np.float64)
    np.testing.assert_allclose(fit_scaling(features).apply(features), wanted, rtol=1e-9)
    monkeypatch.setattr(scaling, "BLOCK_ROWS", 7)
    np.testing.assert_allclose(fit_scaling(features).apply(features), wanted, rtol=1e-9)


def test_a_feature_that_never_varies_is_not_divided_by_the_rounding_of_its_mean():
    # the mean of 30 times float32(0.1) is off by one rounding: a deviation of 1e-17 would blow differences up to 1e16
    features = np.full((30, 1), 0.1, dtype=np.float32)
    features_of_a_new_part = np.full((1, 1), 0.6, dtype=np.float32)
    assert fit_scaling(features).deviation.tolist() == [1.0]
    np.testing.assert_allclose(fit_scaling(features).apply(features_of_a_new_part), 0.5, rtol=1e-6)


def test_a_small_but_true_variance_counts():
    features = np.array([[1.0], [1.0 + 1e-9]])
    np.testing.assert_allclose(np.abs(fit_scaling(features).apply(features)), 1, rtol=1e-5)
