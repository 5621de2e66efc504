"""Sections that tune a method: what turns numbers into anomaly scores."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from iad.params.base import Count, Section, ShareCountOrNone, ShareOrCount


class Reconstruction(Section):
    """How an error map becomes one score."""

    cell: Annotated[int, Field(ge=1, le=64)]
    normalize: bool
    aggregate: Literal["mean", "top"]
    top_share: Annotated[float, Field(gt=0, le=1)]


class Method(Section):
    """The nearest-neighbour search that every kNN method shares."""

    k: Count
    metric: Literal["euclidean", "cosine"]
    standardize: bool
    aggregate: Literal["mean", "kth"]
    pca: ShareCountOrNone
    index: Literal["exact", "hnsw", "ivfpq"]


class Patch(Section):
    """The memory bank that every patch method shares."""

    k: Count
    coreset: Annotated[float, Field(gt=0, le=1)]
    aggregate: Literal["max", "top"]
    top_share: Annotated[float, Field(gt=0, le=1)]
    calibration: Annotated[int, Field(ge=0)]


class Refitted(Section):
    """A detector that is fitted anew for each fold of good pictures."""

    folds: Annotated[int, Field(ge=2, le=1000)]


class Scaled(Refitted):
    """One that may scale the features first."""

    standardize: bool


class ZScore(Refitted):
    """Deviations from the mean."""

    aggregate: Literal["max", "mean"]


class PrincipalComponents(Scaled):
    """Distance to a subspace."""

    components: ShareOrCount


class KMeans(Scaled):
    """Distance to the nearest centre."""

    clusters: Count


class GaussianMixture(Scaled):
    """Negative log likelihood."""

    components: Count
    covariance: Literal["full", "tied", "diag", "spherical"]
    pca: ShareCountOrNone
    regularization: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class OneClassSvm(Scaled):
    """Side of a boundary."""

    nu: Annotated[float, Field(gt=0, le=1)]
    gamma: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class IsolationForest(Scaled):
    """Number of random cuts."""

    trees: Count


class LocalOutlierFactor(Scaled):
    """Ratio of densities."""

    n_neighbors: Count


class Classical(Section):
    """One sub-section per detector of `iad/detectors/classical`, each of which can tune methods."""

    zscore: ZScore
    pca: PrincipalComponents
    kmeans: KMeans
    gmm: GaussianMixture
    mahalanobis: Scaled
    ocsvm: OneClassSvm
    isolation_forest: IsolationForest
    lof: LocalOutlierFactor
