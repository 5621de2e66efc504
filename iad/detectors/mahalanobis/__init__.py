"""Mahalanobis distance of the embedding to the mean of good pictures, with a shrunk covariance."""

from typing import ClassVar

from iad.detectors.options import Scaled


class Options(Scaled):
    """Distance to the mean under a Gaussian."""

    section: ClassVar[str] = "classical.mahalanobis"
